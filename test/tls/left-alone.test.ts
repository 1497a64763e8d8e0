import { readdirSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { connect } from 'node:tls'
import { expect, test } from 'vitest'
import { echoBackend } from '../helpers/backend.ts'
import { open } from '../helpers/client.ts'
import { httpConfig, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { createAuthority } from './certificates.ts'
import { request } from './client.ts'

const authority = createAuthority()
const { chain: cert, key } = authority.issue()

/** The first bytes of a client of node. */
async function helloOf(): Promise<Buffer> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const client = connect({ host: '127.0.0.1', port, servername: 'localhost' }).on('error', () => {})
  const accepted = await new Promise<Socket>((resolve) => server.once('connection', resolve))
  const hello = await new Promise<Buffer>((resolve) => accepted.once('data', resolve))
  client.destroy()
  accepted.destroy()
  server.close()
  return hello
}

const descriptors = (): number => readdirSync('/proc/self/fd').length

test('clients that leave at any point of the handshake leave nothing behind, and have their records at once', async () => {
  const hello = await helloOf()
  const tls = { certificates: [{ cert, key }] }
  const running = await startInProcess(
    httpConfig([(await echoBackend()).port], { listeners: { web: { protocol: 'https', tls } } }),
  )
  const web = running.port('web')
  const ok = { ca: authority.ca }
  expect(await request(web, ok)).toContain('HTTP/1.1 200 ')
  const before = descriptors()
  const ways: ((socket: Socket) => void)[] = [
    (socket) => socket.end(hello),
    (socket) => socket.end(Buffer.concat([hello, Buffer.from([20, 3, 3, 0, 1, 1])])),
    (socket) => socket.end(hello.subarray(0, 100)),
    (socket) => socket.write(hello, () => socket.resetAndDestroy()),
    (socket) => socket.write(hello.subarray(0, 100), () => socket.resetAndDestroy()),
    (socket) => socket.once('data', () => socket.resetAndDestroy()).write(hello),
    (socket) => socket.once('data', () => socket.end()).write(hello),
    (socket) => socket.write(Buffer.concat([hello, Buffer.from([23, 3, 3, 0, 2, 1, 1])])),
    (socket) => socket.write(Buffer.concat([hello, hello])),
  ]
  const resets = 2
  const clients: Socket[] = []
  for (let round = 0; round < 5; round++) {
    const opened = await Promise.all(ways.map(() => open(web)))
    for (const [index, socket] of opened.entries()) ways[index]!(socket)
    clients.push(...opened)
  }
  await until(
    () => `${running.log.length} records, ${running.gateway.active} active`,
    () => {
      const records = running.log.filter(({ msg }) => msg === 'handshake')
      // Of a client that resets before it is accepted nothing is known, and there is no record.
      return running.gateway.active === 0 && records.length >= 5 * (ways.length - resets)
    },
  )
  const codes = new Set(running.log.filter(({ msg }) => msg === 'handshake').map(({ outcome }) => outcome))
  expect([...codes].sort()).toEqual(['DC', 'DPE'])
  for (const socket of clients) socket.destroy()
  await until('their descriptors', () => descriptors() <= before)
  expect(await request(web, ok)).toContain('HTTP/1.1 200 ')
})
