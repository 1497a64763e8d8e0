import { createServer, type Server } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { echo, UdpClient, udpConfig, udpPeer } from './peers.ts'

const often = { interval: '500ms', timeout: '400ms', rise: 1, fall: 1 }
const once = { interval: '1h', timeout: '400ms', rise: 1, fall: 2 }

describe('health of udp backends', () => {
  it('by a datagram: down without the expected answer, up with it', async () => {
    let answer = 'wrong'
    const sick = await udpPeer(({ text, from }, { socket }) => {
      if (text === '\0ping') socket.send(answer, from.port, from.address)
    })
    const well = await echo('b')
    const health = { udp: { send: 'hex:0070696e67', expect: 'ping' }, ...often }
    const { port, record } = await startInProcess(udpConfig([sick.port, well.port], { health }))
    expect(await record(({ msg }) => msg === 'backend down')).toMatchObject({
      backend: `127.0.0.1:${sick.port}`,
      why: 'answered something else',
    })
    for (let i = 0; i < 3; i++) expect(await (await UdpClient.to(port('dns'))).ask('x')).toBe('b:x')
    answer = 'so ping'
    expect(await record(({ msg }) => msg === 'backend up')).toMatchObject({ why: 'answered' })
  })

  it('by a datagram without an expectation: only a refusal is bad', async () => {
    const dead = await udpPeer()
    await dead.close()
    const silent = await udpPeer()
    const health = { udp: { send: 'x' }, ...often }
    const { log, record } = await startInProcess(udpConfig([dead.port, silent.port], { health }))
    expect(await record(({ msg }) => msg === 'backend down')).toMatchObject({
      backend: `127.0.0.1:${dead.port}`,
      why: 'connection refused',
    })
    await until('two probes', () => silent.received.length > 1)
    expect(log.filter(({ msg }) => msg === 'backend down')).toHaveLength(1)
  })

  it('by a port of TCP', async () => {
    const backend = await echo('a')
    const server = createServer((socket) => socket.destroy())
    const port = await listening(server)
    const { log, record } = await startInProcess(udpConfig([backend.port], { health: { tcp: port, ...often } }))
    await until('a probe', () => connections > 0)
    expect(log.filter(({ msg }) => msg === 'backend down')).toEqual([])
    server.close()
    const { why } = await record(({ msg }) => msg === 'backend down')
    expect(why).toContain('cannot connect: ECONNREFUSED')
  })

  it('by refusals of datagrams of clients, which count as failed probes', async () => {
    const dead = await udpPeer()
    await dead.close()
    const backend = await echo('b')
    const server = createServer((socket) => socket.destroy())
    const tcp = await listening(server)
    const { port, record } = await startInProcess(udpConfig([dead.port, backend.port], { health: { tcp, ...once } }))
    await until('the probes', () => connections >= 2)
    for (let i = 0; i < 4; i++) expect(await (await UdpClient.to(port('dns'))).ask('x')).toBe('b:x')
    expect(await record(({ msg }) => msg === 'backend down')).toMatchObject({
      backend: `127.0.0.1:${dead.port}`,
      why: expect.stringContaining('connection refused'),
    })
  })

  it('by a policy', async () => {
    const [a, b] = await Promise.all([echo('a'), echo('b')])
    const plugin = `
import { definePlugin } from 'postern/sdk'
export default definePlugin({
  name: 'judge',
  checkHealth({ backend }) {
    return { healthy: backend.address.endsWith('${b.port}'), why: 'judged' }
  },
})`
    const config = udpConfig([a.port, b.port], { health: often, policies: ['judge'] })
    config.policies = { judge: { plugin: 'judge' } }
    const { port, record } = await startInProcess(config, { 'plugins/judge/index.ts': plugin })
    expect(await record(({ msg }) => msg === 'backend down')).toMatchObject({ why: 'judged' })
    for (let i = 0; i < 3; i++) expect(await (await UdpClient.to(port('dns'))).ask('x')).toBe('b:x')
  })
})

let connections = 0

/** Listens on the loopback and counts connections. */
async function listening(server: Server): Promise<number> {
  connections = 0
  server.on('connection', () => connections++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return (server.address() as { port: number }).port
}
