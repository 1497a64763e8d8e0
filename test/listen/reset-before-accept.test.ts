import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { accessRecord, exchange } from '../flow/wire.ts'
import { httpConfig, startInProcess } from '../helpers/gateway.ts'
import { ok, rawBackend } from '../http1/raw-backend.ts'

const request = 'POST /pay HTTP/1.1\r\nhost: h\r\nx-forwarded-for: 10.0.0.5\r\ncontent-length: 0\r\n\r\n'

const client = `
const socket = require('node:net').connect(Number(process.argv[1]), '127.0.0.1', () =>
  socket.write(process.argv[2], () => socket.resetAndDestroy()))`

test('a client that is gone when it is accepted is no client of a Unix socket, and its request is not read', async () => {
  const backend = await rawBackend((socket, seen) => void (seen.endsWith('\r\n\r\n') && socket.write(ok)))
  const gateway = await startInProcess(httpConfig([backend.port], { listeners: { web: { trustedProxies: ['unix'] } } }))
  // This process, which is also the gateway, accepts nothing until the other one has ended.
  spawnSync(process.execPath, ['-e', client, `${gateway.port('web')}`, request])
  await exchange(gateway.port('web'), 'GET / HTTP/1.1\r\nhost: h\r\n\r\n', /ok/)
  expect(await accessRecord(gateway)).toMatchObject({ client: '127.0.0.1', method: 'GET' })
  expect(backend.seen.join()).not.toContain('/pay')
})
