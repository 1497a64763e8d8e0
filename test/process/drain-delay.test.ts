import { expect, it } from 'vitest'
import { open, send } from '../helpers/client.ts'
import { startGateway } from '../helpers/gateway.ts'

it('a drain with a delay: the workers still accept after the signal, and end when it is over', async () => {
  const gateway = await startGateway({
    listeners: { web: { address: '127.0.0.1', port: 0 } },
    routes: { all: { listener: 'web', reply: { body: 'here', drainStatus: 503 } } },
    workers: 2,
    drain: { delay: '4s', timeout: '4s' },
  })
  const web = gateway.port('web')
  expect(await send(web, '/')).toMatchObject({ status: 200, body: 'here' })
  gateway.process.child.kill('SIGTERM')
  await gateway.record(({ msg }) => msg === 'draining')
  let answer = await send(web, '/')
  // The signal reaches each worker by itself.
  while (answer.status === 200) answer = await send(web, '/')
  expect(answer).toMatchObject({ status: 503, body: 'here', headers: { connection: 'close' } })
  expect(await gateway.process.exited).toEqual({ code: 0, signal: null })
  await expect(open(web)).rejects.toThrow(/ECONNREFUSED/)
}, 60_000)

it('a drain that may take longer than any timer kills no worker at once', async () => {
  const gateway = await startGateway({
    listeners: { web: { address: '127.0.0.1', port: 0 } },
    routes: { all: { listener: 'web', reply: { body: 'here', drainStatus: 503 } } },
    workers: 1,
    drain: { delay: '24d', timeout: '24d' },
  })
  gateway.process.child.kill('SIGTERM')
  await gateway.record(({ msg }) => msg === 'draining')
  let status = 200
  while (status === 200) status = (await send(gateway.port('web'), '/')).status
  expect(status).toBe(503)
  expect(gateway.log.filter(({ msg }) => String(msg).startsWith('workers killed'))).toEqual([])
}, 60_000)
