import { describe, expect, it } from 'vitest'
import { startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { echo, UdpClient, udpConfig } from './peers.ts'

describe('a reload', () => {
  it('keeps sessions whose route and backend are still there, with the same socket', async () => {
    const [a, b] = await Promise.all([echo('a'), echo('b')])
    const { port, reload } = await startInProcess(udpConfig([a.port]))
    const client = await UdpClient.to(port('dns'))
    expect(await client.ask('1')).toBe('a:1')
    await reload(udpConfig([a.port, b.port], { responses: 100, balance: { hash: 'client.ip' } }))
    expect(await client.ask('2')).toBe('a:2')
    expect(new Set(a.received.map(({ from }) => from.port)).size).toBe(1)
  })

  it('ends the others after the time of a drain, and the next datagram begins anew', async () => {
    const [a, b] = await Promise.all([echo('a'), echo('b')])
    const { port, reload, record } = await startInProcess({ ...udpConfig([a.port]), drain: '300ms' } as never)
    const client = await UdpClient.to(port('dns'))
    expect(await client.ask('1')).toBe('a:1')
    await reload({ ...udpConfig([b.port]), drain: '300ms' } as never)
    expect(await client.ask('2')).toBe('a:2')
    expect(await record(({ msg }) => msg === 'session')).toMatchObject({ outcome: 'SD', datagramsIn: 2 })
    expect(await client.ask('3')).toBe('b:3')
  })

  it('can add a tcp listener with the same port', async () => {
    const a = await echo('a')
    const config = udpConfig([a.port])
    const { port, reload } = await startInProcess(config)
    const client = await UdpClient.to(port('dns'))
    await client.ask('1')
    const listeners = { ...config.listeners, web: { address: '127.0.0.1', port: port('dns') } }
    const routes = { ...config.routes, web: { listener: 'web', reply: { status: 204 } } }
    await reload({ ...config, listeners, routes } as never)
    expect(port('web')).toBe(port('dns'))
    expect(await client.ask('2')).toBe('a:2')
  })
})

describe('a drain', () => {
  it('serves the sessions until they are idle, and drops the datagrams of new clients', async () => {
    const a = await echo('a')
    const { port, drain, gateway } = await startInProcess(udpConfig([a.port], { timeouts: { idle: '1s' } }))
    const [old, late] = await Promise.all([UdpClient.to(port('dns')), UdpClient.to(port('dns'))])
    await old!.ask('1')
    const drained = drain()
    late!.send('x')
    for (let i = 0; i < 5; i++) expect(await old!.ask('2')).toBe('a:2')
    expect(gateway.active).toBe(1)
    await drained
    expect(a.received.map(({ text }) => text)).not.toContain('x')
  })

  it('ends what is left at its deadline', async () => {
    const a = await echo('a')
    const config = { ...udpConfig([a.port]), drain: '300ms' }
    const { port, drain, log } = await startInProcess(config as never)
    await (await UdpClient.to(port('dns'))).ask('1')
    await drain()
    expect(await until('the record', () => log.find(({ msg }) => msg === 'session'))).toMatchObject({ outcome: 'SD' })
  })
})
