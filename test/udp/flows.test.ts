import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { UdpClient, udpConfig, udpPeer } from './peers.ts'

/** A query for the A record of a name (RFC 1035 §4.1). */
function query(id: number, name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]))
  const head = Buffer.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0])
  return Buffer.concat([head, ...labels, Buffer.from([0, 0, 1, 0, 1])])
}

/** Its answer: one address. */
function answer(question: Buffer, address: readonly number[]): Buffer {
  const head = Buffer.from([question[0]!, question[1]!, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0])
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address])
  return Buffer.concat([head, question.subarray(12), record])
}

describe('flows of UDP', () => {
  it('DNS: each answer goes to who asked, and nothing is left after it', async () => {
    const responders = await Promise.all(
      [1, 2].map((last) =>
        udpPeer(({ bytes, from }, { socket }) =>
          socket.send(answer(bytes, [192, 0, 2, last]), from.port, from.address),
        ),
      ),
    )
    const ports = responders.map(({ port }) => port)
    const { port, gateway, log } = await startInProcess(
      udpConfig(ports, { responses: 1, balance: 'least-connections' }),
    )
    const clients = await Promise.all(Array.from({ length: 50 }, () => UdpClient.to(port('dns'))))
    // Two queries of each client at once: its session ends after two answers.
    await Promise.all(
      clients.map(async (client, i) => {
        client.send(query(2 * i, `a${i}.example`))
        client.send(query(2 * i + 1, `b${i}.example`))
        await until('two answers', () => client.peer.received.length === 2)
        const ids = client.peer.received.map(({ bytes }) => bytes.readUInt16BE(0)).toSorted((a, b) => a - b)
        expect(ids).toEqual([2 * i, 2 * i + 1])
      }),
    )
    await until('the end of all sessions', () => gateway.active === 0)
    expect(responders.map(({ received }) => received.length)).toEqual([50, 50])
    const records = log.filter(({ msg }) => msg === 'session')
    expect(
      records.every(({ datagramsIn, datagramsOut, outcome }) => datagramsIn === datagramsOut && outcome === ''),
    ).toBe(true)
  })

  it('syslog: one way, in order, one session for all that a client sends', async () => {
    const server = await udpPeer()
    const { port, record } = await startInProcess(udpConfig([server.port], { timeouts: { idle: '300ms' } }))
    const client = await UdpClient.to(port('dns'))
    const lines = Array.from({ length: 500 }, (_, i) => `<34>1 2026-11-27T12:00:00Z host app ${i} - - message`)
    for (const line of lines) client.send(line)
    await until('all lines', () => server.received.length === lines.length)
    expect(server.received.map(({ text }) => text)).toEqual(lines)
    expect(await record(({ msg }) => msg === 'session')).toMatchObject({
      outcome: '',
      level: 'info',
      datagramsIn: 500,
      datagramsOut: 0,
    })
  })

  it('QUIC: many datagrams both ways at once, of which the backend sends most', async () => {
    const burst = 8
    const server = await udpPeer(({ bytes, from }, { socket }) => {
      for (let i = 0; i < burst; i++) socket.send(Buffer.concat([Buffer.from([i]), bytes]), from.port, from.address)
    })
    const { port, gateway } = await startInProcess(udpConfig([server.port]))
    const clients = await Promise.all(Array.from({ length: 4 }, () => UdpClient.to(port('dns'))))
    const packets = Array.from({ length: 100 }, () => randomBytes(1_200))
    for (const [i, packet] of packets.entries()) {
      for (const client of clients) client.send(packet)
      if (i % 10 === 9)
        await until('the answers', () => clients.every(({ peer }) => peer.received.length === (i + 1) * burst))
    }
    for (const { peer } of clients) {
      const got = new Set(peer.received.map(({ bytes }) => bytes.toString('base64')))
      const expected = packets.flatMap((packet) =>
        Array.from({ length: burst }, (_, i) => Buffer.concat([Buffer.from([i]), packet]).toString('base64')),
      )
      expect(expected.every((one) => got.has(one))).toBe(true)
    }
    expect(gateway.active).toBe(4)
    expect(new Set(server.received.map(({ from }) => from.port)).size).toBe(4)
  })
})
