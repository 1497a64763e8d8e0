import { testPlugin } from '../../core/testing/index.ts'

/** Tests two plugins, and waits in a hook that does not return. */
const [, , file = ''] = process.argv
const one = await testPlugin(file)
await (await testPlugin(file)).run('onRequest')
void one.run('onRequest', { request: { path: '/stuck' } })
setTimeout(() => process.send!('stuck'), 200)
