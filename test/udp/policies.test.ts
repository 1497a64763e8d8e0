import { describe, expect, it } from 'vitest'
import { startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { echo, UdpClient, udpConfig } from './peers.ts'

/** Lets clients in by their port, which the options say; a wait for a grant holds their first datagrams. */
const door = `
import { definePlugin, reply } from 'postern/sdk'
export default definePlugin({
  name: 'door',
  reads: ['client.ip', 'client.port', 'traffic', 'outcome', 'backend'],
  needs: ['digest', 'log'],
  async onConnect({ client, connection, digest, log }) {
    await digest.sha256('a wait')
    log.info('asked', { port: client.port, layer: connection.layer })
    if (client.port % 2 === 1) return reply(403)
  },
  onClose({ client, traffic, outcome, backend, log }) {
    log.info('closed', { port: client.port, ...traffic, outcome, backend: backend?.address })
  },
})`

const choice = `
import { definePlugin } from 'postern/sdk'
export default definePlugin({
  name: 'choice',
  reads: ['client.port'],
  selectBackend({ backends }) {
    return backends[1]
  },
})`

/** A client whose port is even, or odd. */
async function clientOf(port: number, isOdd: boolean): Promise<UdpClient> {
  for (;;) {
    const client = await UdpClient.to(port)
    if (client.peer.port % 2 === (isOdd ? 1 : 0)) return client
  }
}

describe('policies of a udp listener', () => {
  it('are asked once for a session, whose first datagrams wait, and hear what it forwarded', async () => {
    const backend = await echo('a')
    const config = udpConfig([backend.port], { timeouts: { idle: '300ms' } }, { policies: ['door'] })
    config.policies = { door: { plugin: 'door' } }
    const { port, log, record } = await startInProcess(config, { 'plugins/door/index.ts': door })
    const client = await clientOf(port('dns'), false)
    for (const text of ['1', '2', '3']) client.send(text)
    await until('all answers', () => client.peer.received.length === 3)
    expect(client.peer.received.map(({ text }) => text)).toEqual(['a:1', 'a:2', 'a:3'])
    const { fields } = await record(({ msg }) => msg === 'closed')
    expect(fields).toEqual({
      port: client.peer.port,
      ...{ bytesIn: 3, bytesOut: 9, datagramsIn: 3, datagramsOut: 3 },
      outcome: '',
      backend: `127.0.0.1:${backend.port}`,
    })
    expect(log.filter(({ msg }) => msg === 'asked')).toMatchObject([
      { fields: { port: client.peer.port, layer: 'L4' } },
    ])
  })

  it('refuse a client until it has been silent', async () => {
    const backend = await echo('a')
    const config = udpConfig([backend.port], { timeouts: { idle: '400ms' } }, { policies: ['door'] })
    config.policies = { door: { plugin: 'door' } }
    const { port, log, record, gateway } = await startInProcess(config, { 'plugins/door/index.ts': door })
    const client = await clientOf(port('dns'), true)
    client.send('x')
    expect(await record(({ msg }) => msg === 'session')).toMatchObject({ outcome: 'PD:door', datagramsIn: 1 })
    const asked = (): number => log.filter(({ msg }) => msg === 'asked').length
    for (let i = 0; i < 20; i++) {
      client.send('x')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    expect(asked()).toBe(1)
    expect(gateway.active).toBe(0)
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    client.send('x')
    await until('another question', () => asked() === 2)
    expect(backend.received).toEqual([])
  })

  it('are asked again after a reload', async () => {
    const backend = await echo('a')
    const config = udpConfig([backend.port], {}, { policies: ['door'] })
    config.policies = { door: { plugin: 'door' } }
    const { port, record, reload } = await startInProcess(config, { 'plugins/door/index.ts': door })
    const client = await clientOf(port('dns'), true)
    client.send('x')
    await record(({ msg }) => msg === 'session')
    await reload(udpConfig([backend.port]))
    expect(await client.ask('y')).toBe('a:y')
  })

  it('choose the backend', async () => {
    const [a, b] = await Promise.all([echo('a'), echo('b')])
    const config = udpConfig([a.port, b.port], { policies: ['choice'] })
    config.policies = { choice: { plugin: 'choice' } }
    const { port } = await startInProcess(config, { 'plugins/choice/index.ts': choice })
    for (let i = 0; i < 3; i++) expect(await (await UdpClient.to(port('dns'))).ask('x')).toBe('b:x')
  })

  it('hold 16 datagrams of a client, and drop the others', async () => {
    const backend = await echo('a')
    const config = udpConfig([backend.port], {}, { policies: ['door'] })
    config.policies = { door: { plugin: 'door' } }
    const { port, log } = await startInProcess(config, {
      'plugins/door/index.ts': door.replace("'a wait'", "'x'.repeat(1000)"),
    })
    const client = await clientOf(port('dns'), false)
    for (let i = 0; i < 40; i++) client.send(`${i}`)
    await until('the first answers', () => client.peer.received.length >= 16)
    await client.ask('last')
    const held = backend.received.map(({ text }) => text).filter((text) => text !== 'last')
    expect(held.slice(0, 16)).toEqual(Array.from({ length: 16 }, (_, i) => `${i}`))
    expect(log.filter(({ msg }) => msg === 'asked')).toHaveLength(1)
  })
})
