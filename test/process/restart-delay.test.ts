import { expect, it } from 'vitest'
import { send } from '../helpers/client.ts'
import { type Json, startGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'

/** An allocation that the engine does not survive. */
const killer = (name: string): string => `
import { definePlugin, reply } from 'postern/sdk'
export default definePlugin({
  name: '${name}',
  onRequest() {
    return reply(200, String('x'.repeat(1.4e8).split('').length))
  },
})`

it('a worker that plugins end is replaced at once until they are quarantined, one that ends for other reasons five times', async () => {
  const names = ['one', 'two']
  const each = <T>(make: (name: string) => T): { [name: string]: T } =>
    Object.fromEntries(names.map((name) => [name, make(name)]))
  const config: Json = {
    listeners: { web: { address: '127.0.0.1', port: 0 } },
    routes: {
      ...each((name) => ({ listener: 'web', match: { path: `/${name}` }, policies: [name], reply: { body: '' } })),
      good: { listener: 'web', reply: { body: 'here' } },
    },
    policies: each((plugin) => ({ plugin })),
    workers: 1,
  }
  const files = Object.fromEntries(names.map((name) => [`plugins/${name}/index.ts`, killer(name)]))
  const gateway = await startGateway(config, files)
  const web = gateway.port('web')
  const delays = (): unknown[] => gateway.log.filter(({ msg }) => msg === 'worker died').map((one) => one.restartIn)
  const worker = (): Promise<number> => until('the worker', () => gateway.process.workers()[0], 30_000)
  const death = async (cause: () => unknown): Promise<void> => {
    const count = delays().length
    await cause()
    await until('the death', () => delays().length > count, 30_000)
  }
  for (const name of names) {
    for (let i = 0; i < 3; i++) {
      await death(() => expect(send(web, `/${name}`)).rejects.toThrow())
      await worker()
    }
    expect((await send(web, `/${name}`)).status).toBe(503)
  }
  expect(delays()).toEqual([0, 0, 0, 0, 0, 0])
  expect((await send(web, '/')).body).toBe('here')

  for (let i = 0; i < 6; i++) await death(async () => process.kill(await worker(), 'SIGKILL'))
  expect(delays().slice(6)).toEqual([0, 0, 0, 0, 0, 1_000])
}, 120_000)
