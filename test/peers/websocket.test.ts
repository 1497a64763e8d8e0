import { expect, test } from 'vitest'
import { httpConfig, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { content, digest } from './content.ts'
import { curl } from './curl.ts'
import { type EchoSocket, startEchoSocket } from './echo-socket.ts'
import { startHaproxy } from './haproxy.ts'
import { describeWith, type Program } from './needs.ts'
import { nginxProxyTo, startNginx } from './nginx.ts'
import type { Peer } from './peer.ts'

const peers: Readonly<Record<'nginx' | 'haproxy', (to: number) => Promise<Peer>>> = {
  nginx: (to) => startNginx(...nginxProxyTo(to)),
  haproxy: (to) => startHaproxy(to),
}

const chains: readonly (readonly [Program & keyof typeof peers, 'in front' | 'behind'])[] = [
  ['nginx', 'in front'],
  ['nginx', 'behind'],
  ['haproxy', 'in front'],
  ['haproxy', 'behind'],
]

for (const [name, where] of chains) {
  describeWith([name, 'curl'], `WebSocket with ${name} ${where}`, () => {
    test('messages of every size come back as they were', async () => {
      const { port, server, gateway } = await startChain(name, where)
      const socket = await opened(port)
      const messages = [0, 1, 125, 126, 65_535, 65_536, 3_000_000].map(content)
      for (const message of messages) socket.client.send(message)
      await until('all of them', () => socket.got.length === messages.length, 20_000)
      expect(socket.got.map(digest)).toEqual(messages.map(digest))
      socket.client.close(1000, 'enough')
      const { code, reason } = await until('the end', () => socket.closed())
      expect([code, reason]).toEqual([1000, 'enough'])
      await until('nothing left', () => server.sockets.size === 0)
      const record = await gateway.record(({ msg }) => msg === 'request')
      expect([record.status, record.outcome]).toEqual([101, ''])
      expect(record.bytesOut).toBeGreaterThan(3_000_000)
    })

    test('hundreds of small messages keep their order', async () => {
      const { port } = await startChain(name, where)
      const socket = await opened(port)
      const words = Array.from({ length: 500 }, (_, i) => `message ${i}`)
      for (const word of words) socket.client.send(word)
      await until('all of them', () => socket.got.length === words.length)
      expect(socket.got.map(String)).toEqual(words)
    })

    test('a server that breaks off: the client is told', async () => {
      const { port, server } = await startChain(name, where)
      const socket = await opened(port)
      await until('the server to have it', () => server.sockets.size === 1)
      for (const one of server.sockets) one.destroy()
      expect((await until('the end', () => socket.closed())).code).toBe(1006)
    })

    test('a server that does not want to: its answer is an ordinary one', async () => {
      const { port } = await startChain(name, where)
      expect((await curl(port, '/socket')).status).toBe(426)
    })
  })
}

interface ChainParts {
  readonly port: number
  readonly server: EchoSocket
  readonly gateway: TestGateway
}

async function startChain(name: keyof typeof peers, where: 'in front' | 'behind'): Promise<ChainParts> {
  const server = await startEchoSocket()
  if (where === 'behind') {
    const peer = await peers[name](server.port)
    const gateway = await startInProcess(httpConfig([peer.port]))
    return { port: gateway.port('web'), server, gateway }
  }
  const gateway = await startInProcess(httpConfig([server.port]))
  const peer = await peers[name](gateway.port('web'))
  return { port: peer.port, server, gateway }
}

interface Opened {
  readonly client: WebSocket
  /** Messages so far. */
  readonly got: Buffer[]
  closed(): CloseEvent | undefined
}

async function opened(port: number): Promise<Opened> {
  const client = new WebSocket(`ws://127.0.0.1:${port}/socket`)
  const got: Buffer[] = []
  let end: CloseEvent | undefined
  client.binaryType = 'arraybuffer'
  client.onmessage = ({ data }) => {
    got.push(typeof data === 'string' ? Buffer.from(data) : Buffer.from(data as ArrayBuffer))
  }
  client.onclose = (event) => {
    end = event
  }
  await until('the handshake', () => client.readyState === WebSocket.OPEN || end !== undefined)
  if (end !== undefined) throw new Error(`refused: ${end.code} ${end.reason}`)
  return { client, got, closed: () => end }
}
