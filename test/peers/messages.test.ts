import { request as httpRequest } from 'node:http'
import { describe, expect, test } from 'vitest'
import { open } from '../helpers/client.ts'
import { httpConfig, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { type App, startApp } from './app.ts'
import { content, digest } from './content.ts'
import { curl } from './curl.ts'
import { startHaproxy } from './haproxy.ts'
import { describeWith, type Program } from './needs.ts'
import { nginxProxyTo, startNginx } from './nginx.ts'

type Place = 'alone' | 'nginx in front' | 'nginx behind' | 'haproxy in front' | 'haproxy behind'

const places: readonly (readonly [Place, readonly Program[]])[] = [
  ['alone', ['curl']],
  ['nginx in front', ['curl', 'nginx']],
  ['nginx behind', ['curl', 'nginx']],
  ['haproxy in front', ['curl', 'haproxy']],
  ['haproxy behind', ['curl', 'haproxy']],
]

describe.each(places)('the gateway, %s', (place, programs) => {
  // nginx 1.22 drops trailers, and takes a 103 for the response.
  const passesAll = !place.startsWith('nginx')

  describeWith(programs, 'parts of a message', () => {
    if (passesAll)
      test('103 comes before the response', async () => {
        const { port } = await startChain(place)
        const { code, status, heads, body } = await curl(port, ['/hints', '/hints'])
        expect([code, status, digest(body)]).toEqual([0, 200, digest(Buffer.concat([content(1000), content(1000)]))])
        expect(heads.match(/^HTTP\/1.1 103 Early Hints\r\nlink: <\/style.css>; rel=preload\r\n\r\n/gim)).toHaveLength(2)
      })

    test('trailers of a response', async () => {
      const { port } = await startChain(place)
      const { code, heads, body } = await curl(port, '/trailers?size=30000', ['-H', 'TE: trailers'])
      expect([code, digest(body)]).toEqual([0, digest(content(30_000))])
      if (passesAll) expect(heads).toMatch(/^x-sum: right\r$/im)
    })

    test('trailers of a request', async () => {
      const { port, app } = await startChain(place)
      const client = httpRequest({ port, path: '/echo', method: 'POST', headers: { trailer: 'x-sum', te: 'trailers' } })
      const status = new Promise((resolve) =>
        client.on('response', (response) => resolve(response.resume().statusCode)),
      )
      client.write(content(20_000))
      client.addTrailers({ 'x-sum': 'right' })
      client.end()
      expect(await status).toBe(200)
      const seen = app.seen[0]!
      expect([seen.length, seen.sha256]).toEqual([20_000, digest(content(20_000))])
      if (passesAll) expect(seen.trailers).toEqual({ 'x-sum': 'right' })
    })

    test('requests in one write are answered in order', async () => {
      const { port, app } = await startChain(place)
      const client = await open(port)
      const chunks: Buffer[] = []
      client.on('data', (chunk: Buffer) => chunks.push(chunk))
      const paths = Array.from({ length: 20 }, (_, i) => `/bytes?size=${100 + i}`)
      client.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`).join(''))
      const lengths = (): string[] =>
        [
          ...Buffer.concat(chunks)
            .toString('latin1')
            .matchAll(/^content-length: (\d+)\r$/gim),
        ].map(([, size]) => size!)
      await until('all answers', () => lengths().length === paths.length)
      expect(lengths()).toEqual(paths.map((_, i) => String(100 + i)))
      expect(app.seen.map(({ url }) => url)).toEqual(paths)
    })

    test('Via tells of every hop that it knows of, and X-Forwarded-For of every one', async () => {
      const { port, app } = await startChain(place)
      const { heads } = await curl(port, '/echo', ['-H', 'Via: 1.0 fred, 1.1 p.example'])
      const { via, 'x-forwarded-for': forwardedFor = '' } = app.seen[0]!.headers
      expect(via).toMatch(/^1\.0 fred, 1\.1 p\.example, 1\.1 postern[\w.-]*$/)
      expect(heads).toMatch(/^via: 1\.1 postern/im)
      // The gateway writes its client; a peer behind it adds the gateway.
      const hops = place.endsWith('behind') ? 2 : 1
      expect(forwardedFor).toBe(Array(hops).fill('127.0.0.1').join(', '))
    })
  })
})

async function startChain(place: Place): Promise<{ readonly port: number; readonly app: App }> {
  const app = await startApp()
  const start = place.startsWith('nginx') ? (to: number) => startNginx(...nginxProxyTo(to)) : startHaproxy
  const behind = place.endsWith('behind') ? await start(app.port) : app
  const gateway = await startInProcess(httpConfig([behind.port]))
  const own = { port: gateway.port('web') }
  const first = place.endsWith('front') ? await start(own.port) : own
  return { port: first.port, app }
}
