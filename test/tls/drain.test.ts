import { connect, createServer, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { echoBackend } from '../helpers/backend.ts'
import { httpConfig, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { createAuthority } from './certificates.ts'

const authority = createAuthority()
const { chain: cert, key } = authority.issue()

/** A way to a port that passes on the ClientHello, and all else only when it is told to. */
async function slowWay(port: number): Promise<{ port: number; release: () => void }> {
  let release = (): void => {}
  const server = createServer((client) => {
    const gateway = connect({ host: '127.0.0.1', port })
    client.on('error', () => {})
    gateway.on('error', () => {})
    client.once('data', (hello) => {
      gateway.write(hello)
      client.pause()
      release = () => void client.pipe(gateway)
    })
    gateway.pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { port: (server.address() as { port: number }).port, release: () => release() }
}

function reading(socket: Socket): () => string {
  let text = ''
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1')
  })
  return () => text
}

test('a client whose handshake is under way when a drain begins gets its answer', async () => {
  const tls = { certificates: [{ cert, key }] }
  const running = await startInProcess(
    httpConfig([(await echoBackend()).port], { listeners: { web: { protocol: 'https', tls } } }),
  )
  const way = await slowWay(running.port('web'))
  const client = connectTls({ host: '127.0.0.1', port: way.port, ca: authority.ca, servername: 'localhost' })
  // The client may be done while the gateway still waits for its last words.
  const secured = new Promise((resolve) => client.once('secureConnect', resolve))
  const answer = reading(client)
  await until('the handshake', () => running.gateway.active === 1)
  const drained = running.drain()
  way.release()
  await secured
  expect(running.gateway.active).toBe(1)
  client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  await drained
  await until('the answer', () => /HTTP\/1\.1 200 [\s\S]*connection: close/i.test(answer()))
})
