import { createSocket } from 'node:dgram'
import { describe, expect, it } from 'vitest'
import { startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { echo, UdpClient, udpConfig, udpPeer } from './peers.ts'

/** Sends one datagram from each of many addresses of the loopback. @param wait after every 100 */
async function flood(to: number, count: number, wait: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < count; i += 100) {
    const sockets = await Promise.all(
      Array.from({ length: Math.min(100, count - i) }, (_, j) => {
        const socket = createSocket('udp4')
        const n = i + j
        return new Promise<typeof socket>((resolve) =>
          socket.bind(0, `127.1.${(n >> 8) & 255}.${n & 255}`, () => resolve(socket)),
        )
      }),
    )
    for (const socket of sockets) socket.send('flood', to, '127.0.0.1')
    await wait()
    for (const socket of sockets) socket.close()
  }
}

describe('a full table of sessions', () => {
  it('gives up those that no backend has answered first', async () => {
    // Answers only what asks for it: the flood gets nothing.
    const backend = await udpPeer(({ text, from }, { socket }) => {
      if (text !== 'flood') socket.send(`a:${text}`, from.port, from.address)
    })
    const { port, gateway, log } = await startInProcess(udpConfig([backend.port], {}, { sessions: { max: 20 } }))
    const clients = await Promise.all(Array.from({ length: 10 }, () => UdpClient.to(port('dns'))))
    for (const client of clients) await client.ask('1')
    let sent = 0
    await flood(port('dns'), 1_000, () => {
      sent += 100
      return until('the flood', () => backend.received.filter(({ text }) => text === 'flood').length === sent)
    })
    expect(gateway.active).toBe(20)
    for (const client of clients) expect(await client.ask('2')).toBe('a:2')
    // Each client still has the session that it began with.
    const sources = backend.received.filter(({ text }) => text !== 'flood').map(({ from }) => from.port)
    expect(new Set(sources).size).toBe(10)
    const ended = log.filter(({ msg }) => msg === 'session')
    expect(ended).toHaveLength(990)
    expect(ended[0]).toMatchObject({
      outcome: 'OM',
      level: 'warn',
      cause: expect.stringContaining('more than 20 sessions'),
    })
  })

  it('gives up the one that has been silent for longest when all were answered', async () => {
    const backend = await echo('a')
    const { port, record } = await startInProcess(udpConfig([backend.port], {}, { sessions: { max: 3 } }))
    const clients = await Promise.all(Array.from({ length: 4 }, () => UdpClient.to(port('dns'))))
    for (const client of clients.slice(0, 3)) {
      await client.ask('1')
      await new Promise((resolve) => setTimeout(resolve, 150))
    }
    await clients[0]!.ask('2')
    await clients[3]!.ask('1')
    expect(await record(({ msg }) => msg === 'session')).toMatchObject({ port: clients[1]!.peer.port, outcome: 'OM' })
  })

  it('drops the datagrams of new clients if it should refuse them', async () => {
    const backend = await echo('a')
    const sessions = { max: 2, whenFull: 'refuse' }
    const { port, gateway } = await startInProcess(udpConfig([backend.port], {}, { sessions }))
    const [one, two, three] = await Promise.all(Array.from({ length: 3 }, () => UdpClient.to(port('dns'))))
    await one!.ask('1')
    await two!.ask('2')
    three!.send('3')
    await one!.ask('4')
    expect(backend.received.map(({ text }) => text)).toEqual(['1', '2', '4'])
    expect(gateway.active).toBe(2)
  })
})

describe('backends', () => {
  it('that answer after the session has ended are not heard', async () => {
    const backend = await udpPeer()
    const { port, gateway } = await startInProcess(udpConfig([backend.port], { timeouts: { idle: '100ms' } }))
    const client = await UdpClient.to(port('dns'))
    client.send('x')
    const { from } = await until('the datagram', () => backend.received[0])
    await until('the end', () => gateway.active === 0)
    backend.socket.send('late', from.port, from.address)
    client.send('y')
    const next = await until('another session', () => backend.received[1])
    backend.socket.send('in time', next.from.port, next.from.address)
    await until('an answer', () => client.peer.received.length > 0)
    expect(client.peer.received.map(({ text }) => text)).toEqual(['in time'])
  })

  it('are the only ones that a session hears', async () => {
    const backend = await udpPeer()
    const { port } = await startInProcess(udpConfig([backend.port]))
    const client = await UdpClient.to(port('dns'))
    client.send('x')
    const { from } = await until('the datagram', () => backend.received[0])
    const stranger = await udpPeer()
    stranger.socket.send('forged', from.port, from.address)
    await new Promise((resolve) => setTimeout(resolve, 20))
    backend.socket.send('true', from.port, from.address)
    await until('an answer', () => client.peer.received.length > 0)
    expect(client.peer.received.map(({ text }) => text)).toEqual(['true'])
  })
})

describe('datagrams that are held', () => {
  it('are forgotten with their session, so that those of others have room', async () => {
    const dead = await udpPeer()
    await dead.close()
    const backend = await echo('a')
    const config = udpConfig([], { backends: [{ address: `localhost:${dead.port}` }], retry: { attempts: 0 } })
    config.listeners!.other = { protocol: 'udp', address: '127.0.0.1', port: 0 }
    config.routes!.others = { listener: 'other', upstream: 'alive' }
    config.upstreams!.alive = { protocol: 'udp', backends: [{ address: `localhost:${backend.port}` }] }
    const { port, log } = await startInProcess(config)
    const client = await UdpClient.to(port('dns'))
    // All sessions of a process hold 16 MB, which 280 of these are.
    for (let i = 0; i < 340; i++) {
      for (const bytes of ['1', '2', Buffer.alloc(60_000)]) client.send(bytes)
      await until('the end of the session', () => log.filter(({ msg }) => msg === 'session').length > i)
    }
    expect(await (await UdpClient.to(port('other'))).ask(Buffer.alloc(60_000))).toHaveLength(60_002)
  })
})
