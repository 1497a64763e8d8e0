import { describe, expect, test } from 'vitest'
import { httpConfig, type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { type App, startApp } from './app.ts'
import { content, digest } from './content.ts'
import { startCountingRelay } from './counting-relay.ts'
import { curl, startCurl } from './curl.ts'
import { exchangeAll } from './exchanges.ts'
import { startHaproxy } from './haproxy.ts'
import { describeWith } from './needs.ts'
import { nginxProxyTo, startNginx } from './nginx.ts'
import type { Peer } from './peer.ts'
import { uploadFile } from './upload-file.ts'

const fronts: Readonly<Record<'nginx' | 'haproxy', (to: number) => Promise<Peer>>> = {
  nginx: (to) => startNginx(...nginxProxyTo(to)),
  haproxy: (to) => startHaproxy(to),
}

describe.each(['nginx', 'haproxy'] as const)('client → %s → gateway → application', (name) => {
  describeWith(['curl', name], 'with real programs', () => {
    test('every kind of exchange, byte for byte', async () => {
      const { peer, app, gateway } = await startChain(name)
      await exchangeAll(peer.port, app)
      // nginx takes bodies in whole, unless it is told not to.
      if (name === 'nginx') await exchangeAll(peer.port, app, '/stream')
      await until('the records', () => requests(gateway).length === app.seen.length)
      expect(requests(gateway).filter(({ outcome }) => outcome !== '')).toEqual([])
      // One at a time: another only for those that end their connection.
      expect(app.connections).toBeLessThan(10)
    })

    test('one client, one connection all the way', async () => {
      const { peer, app, relay } = await startChain(name)
      const result = await curl(peer.port, Array<string>(60).fill('/bytes?size=3000'))
      expect(digest(result.body)).toBe(digest(Buffer.concat(Array<Buffer>(60).fill(content(3000)))))
      expect([result.connects, relay.count(), app.connections]).toEqual([1, 1, 1])
    })

    test('many at once share what is open', async () => {
      const { peer, app, relay } = await startChain(name)
      const paths = Array<string>(120).fill('/chunked?size=20000')
      const { code, body } = await curl(peer.port, paths, ['-Z', '--parallel-max', '8'])
      expect([code, body.length]).toEqual([0, 120 * 20_000])
      expect(relay.count()).toBeLessThanOrEqual(8)
      expect(app.connections).toBeLessThanOrEqual(8)
    })

    test('a trusted peer is believed about the client', async () => {
      const { peer, app, gateway } = await startChain(name, { trustedProxies: ['127.0.0.1'] })
      await curl(peer.port, '/echo', ['-H', 'X-Forwarded-For: 203.0.113.9'])
      // HAProxy adds a line of its own, nginx lengthens the one that is there.
      expect(app.seen[0]!.headers['x-forwarded-for']).toBe('203.0.113.9, 127.0.0.1, 127.0.0.1')
      expect(app.seen[0]!.headers['x-real-ip']).toBe('203.0.113.9')
      const record = await gateway.record(({ msg }) => msg === 'request')
      expect(record.client).toBe('203.0.113.9')
    })

    test('another is not', async () => {
      const { peer, app, gateway } = await startChain(name)
      await curl(peer.port, '/echo', ['-H', 'X-Forwarded-For: 203.0.113.9'])
      expect(app.seen[0]!.headers['x-forwarded-for']).toBe('127.0.0.1')
      expect(app.seen[0]!.headers['x-real-ip']).toBe('127.0.0.1')
      const record = await gateway.record(({ msg }) => msg === 'request')
      expect(record.client).toBe('127.0.0.1')
    })

    test('a client that leaves in the middle of a response: the application is told', async () => {
      const { peer, app, gateway } = await startChain(name)
      const { child, result } = startCurl(peer.port, '/stream/endless')
      await new Promise((resolve) => child.stdout!.once('data', resolve))
      child.kill('SIGKILL')
      await result
      await until('the end', () => app.seen.length === 1 && app.sockets.size === 0)
      const record = await gateway.record(({ msg }) => msg === 'request')
      expect(record.outcome).toBe('DC')
    })

    test('a client that leaves in the middle of its body: never taken for complete', async () => {
      const { peer, app, gateway } = await startChain(name)
      const args = ['-T', uploadFile(content(4_000_000)), '-H', 'Expect:', '--limit-rate', '400K']
      const { child, result } = startCurl(peer.port, '/stream/echo', args)
      await until('a part of it', () => (app.seen[0]?.length ?? 0) > 0)
      child.kill('SIGKILL')
      await result
      await until('the end', () => app.seen[0]!.state === 'cut short')
      const record = await gateway.record(({ msg }) => msg === 'request')
      expect(record.outcome).toBe('DC')
    })

    test('an application that ends in the middle of a response: the client can tell', async () => {
      const { peer, gateway } = await startChain(name)
      const result = await curl(peer.port, '/stream/cut?size=3000000')
      expect(result.code).not.toBe(0)
      expect(result.body.length).toBeLessThan(3_000_000)
      const record = await gateway.record(({ msg }) => msg === 'request')
      expect(record.outcome).toMatch(/^U[CR]$/)
    })
  })
})

describeWith(['curl', 'haproxy'], 'HAProxy that checks the gateway', () => {
  test('its probes, HTTP/1.0 without Host, find the gateway up', async () => {
    const app = await startApp()
    const probe: Json = { listener: 'web', match: { methods: ['OPTIONS'] }, reply: { body: 'up' } }
    const gateway = await startInProcess(httpConfig([app.port], { routes: { probe } }))
    const peer = await startHaproxy(gateway.port('web'), [], true)
    await until('three probes', () => requests(gateway).filter(({ method }) => method === 'OPTIONS').length >= 3)
    expect(requests(gateway)[0]).toMatchObject({ method: 'OPTIONS', host: '', path: '/', status: 200 })
    expect((await curl(peer.port, '/bytes?size=10')).body).toEqual(content(10))
  })
})

interface ChainParts {
  readonly peer: Peer
  readonly gateway: TestGateway
  readonly app: App
  /** Counts what the peer opens towards the gateway. */
  readonly relay: { readonly count: () => number }
}

async function startChain(name: keyof typeof fronts, web: { [name: string]: Json } = {}): Promise<ChainParts> {
  const app = await startApp()
  const gateway = await startInProcess(httpConfig([app.port], { listeners: { web } }))
  const relay = await startCountingRelay(gateway.port('web'))
  const peer = await fronts[name](relay.port)
  return { peer, gateway, app, relay }
}

function requests({ log }: TestGateway): Record<string, unknown>[] {
  return log.filter(({ msg }) => msg === 'request')
}
