import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { echo, UdpClient, udpConfig, udpPeer } from './peers.ts'

describe('a udp listener', () => {
  it('carries datagrams of a client both ways in one session, of which there is a record', async () => {
    const backend = await echo('a')
    const { port, record } = await startInProcess(udpConfig([backend.port], { timeouts: { idle: '200ms' } }))
    const client = await UdpClient.to(port('dns'))
    expect(await client.ask('one')).toBe('a:one')
    expect(await client.ask('second')).toBe('a:second')
    expect(new Set(backend.received.map(({ from }) => from.port)).size).toBe(1)
    expect(await record(({ msg }) => msg === 'session')).toMatchObject({
      listener: 'dns',
      route: 'names',
      upstream: 'pool',
      backend: `127.0.0.1:${backend.port}`,
      client: '127.0.0.1',
      port: client.peer.port,
      outcome: '',
      bytesIn: 9,
      bytesOut: 13,
      datagramsIn: 2,
      datagramsOut: 2,
    })
  })

  it('carries datagrams of 0 and of 65,507 bytes', async () => {
    const backend = await udpPeer(({ bytes, from }, { socket }) => socket.send(bytes, from.port, from.address))
    const { port } = await startInProcess(udpConfig([backend.port]))
    const client = await UdpClient.to(port('dns'))
    expect(await client.ask('')).toBe('')
    const largest = randomBytes(65_507)
    await client.ask(largest)
    expect(client.peer.received[1]!.bytes.equals(largest)).toBe(true)
  })

  it('tries the next backend when the host of one refuses', async () => {
    const dead = await udpPeer()
    await dead.close()
    const backend = await echo('b')
    const { port } = await startInProcess(udpConfig([dead.port, backend.port]))
    for (let i = 0; i < 4; i++) expect(await (await UdpClient.to(port('dns'))).ask(`${i}`)).toBe(`b:${i}`)
  })

  it('ends sessions with UF when no backend is there', async () => {
    const dead = await udpPeer()
    await dead.close()
    const { port, record } = await startInProcess(udpConfig([dead.port]))
    ;(await UdpClient.to(port('dns'))).send('x')
    expect(await record(({ msg }) => msg === 'session')).toMatchObject({
      outcome: 'UF',
      cause: `127.0.0.1:${dead.port}: connection refused`,
      datagramsIn: 1,
    })
  })

  it('ends a session after so many responses', async () => {
    const backend = await echo('a')
    const { port, gateway, log } = await startInProcess(udpConfig([backend.port], { responses: 1 }))
    const client = await UdpClient.to(port('dns'))
    await client.ask('x')
    await until('no session', () => gateway.active === 0)
    await client.ask('y')
    expect(new Set(backend.received.map(({ from }) => from.port)).size).toBe(2)
    expect(log.filter(({ msg }) => msg === 'session')).toHaveLength(2)
  })
})
