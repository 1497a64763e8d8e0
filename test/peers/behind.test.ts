import { describe, expect, test } from 'vitest'
import { httpConfig, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { type App, startApp } from './app.ts'
import { content, digest } from './content.ts'
import { curl, startCurl } from './curl.ts'
import { exchangeAll } from './exchanges.ts'
import { startHaproxy } from './haproxy.ts'
import { describeWith } from './needs.ts'
import { nginxProxyTo, startNginx } from './nginx.ts'
import type { Peer } from './peer.ts'
import { uploadFile } from './upload-file.ts'

/** Each says in `x-from` by which connection the gateway came. */
const behind: Readonly<Record<'nginx' | 'haproxy', (app: number, keep?: number) => Promise<Peer>>> = {
  nginx(app, keep = 1000) {
    const [server, http] = nginxProxyTo(app)
    return startNginx(`keepalive_requests ${keep}; add_header x-from $connection always; ${server}`, http)
  },
  haproxy: (app, keep = 1000) =>
    startHaproxy(app, [
      'http-after-response set-header x-from %[src_port]',
      ...(keep === 1 ? ['option httpclose'] : []),
      'http-request return status 200 content-type text/plain string "made here" if { path /made }',
      'http-request deny deny_status 403 if { path /denied }',
    ]),
}

describe.each(['nginx', 'haproxy'] as const)('curl → gateway → %s → application', (name) => {
  describeWith(['curl', name], 'with real programs', () => {
    test('every kind of exchange, byte for byte', async () => {
      const { port, app, gateway } = await startChain(name)
      await exchangeAll(port, app, name === 'nginx' ? '/stream' : '')
      await until('the records', () => requests(gateway).length === app.seen.length)
      expect(requests(gateway).filter(({ outcome }) => outcome !== '')).toEqual([])
    })

    test('one connection to the peer carries many requests', async () => {
      const { port } = await startChain(name)
      const { heads, body, connects } = await curl(port, Array<string>(60).fill('/bytes?size=3000'))
      expect(digest(body)).toBe(digest(Buffer.concat(Array<Buffer>(60).fill(content(3000)))))
      expect([connects, connectionsIn(heads)]).toEqual([1, 1])
    })

    test('requests at once do not take more connections than there are of them', async () => {
      const { port } = await startChain(name)
      const paths = Array<string>(120).fill('/chunked?size=20000')
      const { code, heads, body } = await curl(port, paths, ['-Z', '--parallel-max', '8'])
      expect([code, body.length]).toEqual([0, 120 * 20_000])
      expect(connectionsIn(heads)).toBeLessThanOrEqual(8)
    })

    test('a peer that ends its connections: no request is lost', async () => {
      const keep = name === 'nginx' ? 5 : 1
      const { port, gateway } = await startChain(name, keep)
      const paths = Array<string>(30).fill('/bytes?size=3000')
      const { code, heads, body, connects } = await curl(port, paths)
      expect([code, body.length, connects]).toEqual([0, 30 * 3000, 1])
      expect(connectionsIn(heads)).toBe(30 / keep)
      expect(requests(gateway).filter(({ outcome }) => outcome !== '')).toEqual([])
    })

    test('a client that leaves in the middle of a response: the application is told', async () => {
      const { port, app, gateway } = await startChain(name)
      const { child, result } = startCurl(port, '/stream/endless')
      await new Promise((resolve) => child.stdout!.once('data', resolve))
      child.kill('SIGKILL')
      await result
      await until('the end', () => app.seen.length === 1 && app.sockets.size === 0)
      expect((await gateway.record(({ msg }) => msg === 'request')).outcome).toBe('DC')
    })

    test('a client that leaves in the middle of its body: never taken for complete', async () => {
      const { port, app, gateway } = await startChain(name)
      const args = ['-T', uploadFile(content(4_000_000)), '-H', 'Expect:', '--limit-rate', '400K']
      const { child, result } = startCurl(port, '/stream/echo', args)
      await until('a part of it', () => (app.seen[0]?.length ?? 0) > 0)
      child.kill('SIGKILL')
      await result
      await until('the end', () => app.seen[0]!.state === 'cut short')
      expect((await gateway.record(({ msg }) => msg === 'request')).outcome).toBe('DC')
    })

    test('an application that ends in the middle of a response: the client can tell', async () => {
      const { port, gateway } = await startChain(name)
      const result = await curl(port, '/stream/cut?size=3000000')
      expect(result.code).not.toBe(0)
      expect(result.body.length).toBeLessThan(3_000_000)
      expect((await gateway.record(({ msg }) => msg === 'request')).outcome).toMatch(/^U[CR]$/)
    })
  })
})

describeWith(['curl', 'haproxy'], 'answers that HAProxy makes itself', () => {
  test('come as they are', async () => {
    const { port, app } = await startChain('haproxy')
    const made = await curl(port, '/made')
    expect([made.status, made.body.toString()]).toEqual([200, 'made here'])
    expect((await curl(port, '/denied')).status).toBe(403)
    expect(app.seen).toEqual([])
  })

  test('503 when its own server is gone', async () => {
    const { port, app, gateway } = await startChain('haproxy')
    await app.close()
    expect((await curl(port, '/bytes')).status).toBe(503)
    expect((await gateway.record(({ msg }) => msg === 'request')).outcome).toBe('')
  })
})

interface ChainParts {
  /** The gateway's. */
  readonly port: number
  readonly gateway: TestGateway
  readonly app: App
}

async function startChain(name: keyof typeof behind, keep?: number): Promise<ChainParts> {
  const app = await startApp()
  const peer = await behind[name](app.port, keep)
  const gateway = await startInProcess(httpConfig([peer.port]))
  return { port: gateway.port('web'), gateway, app }
}

function connectionsIn(heads: string): number {
  return new Set(heads.match(/^x-from: .*$/gim)).size
}

function requests({ log }: TestGateway): Record<string, unknown>[] {
  return log.filter(({ msg }) => msg === 'request')
}
