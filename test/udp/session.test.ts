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

  it('has clients of IPv4 and of IPv6 on `::`, whose addresses are written as everywhere', async () => {
    const backend = await echo('a')
    const listener = { address: '::', policies: [] }
    const { port, record } = await startInProcess(udpConfig([backend.port], { responses: 1 }, listener))
    expect(await (await UdpClient.to(port('dns'))).ask('4')).toBe('a:4')
    const six = await udpPeer(undefined, 0, '::1')
    six.socket.send('6', port('dns'), '::1')
    await until('an answer', () => six.received[0])
    const from = (address: string) => record(({ msg, client }) => msg === 'session' && client === address)
    expect((await from('127.0.0.1')).outcome).toBe('')
    expect((await from('::1')).outcome).toBe('')
  })

  it('ends a session when the upstream that a policy chose says so', async () => {
    const [a, b] = await Promise.all([echo('a'), echo('b')])
    const config = udpConfig([a.port], { timeouts: { idle: '1h' } }, { policies: ['other'] })
    const { pool } = config.upstreams!
    const backends = [{ address: `127.0.0.1:${b.port}` }]
    config.upstreams!.other = { ...(pool as object), backends, timeouts: { idle: '100ms' } }
    config.policies = { other: { plugin: 'other' } }
    const plugin = `
import { definePlugin } from 'postern/sdk'
export default definePlugin({
  name: 'other',
  writes: ['upstream'],
  onConnect({ connection }) { connection.useUpstream('other') },
})`
    const { port, record } = await startInProcess(config, { 'plugins/other/index.ts': plugin })
    expect(await (await UdpClient.to(port('dns'))).ask('x')).toBe('b:x')
    expect(await record(({ msg }) => msg === 'session')).toMatchObject({ upstream: 'other', outcome: '' })
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
