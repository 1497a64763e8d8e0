import { Agent, get as httpGet } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { get as httpsGet, Agent as TlsAgent } from 'node:https'
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { checkConfig } from '../../core/check/check.ts'
import { freePort } from '../bench/ports.ts'
import { httpBackend } from '../helpers/backend.ts'
import { gatewayFolder, type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { createAuthority } from '../tls/certificates.ts'

const authority = createAuthority()
const server = authority.issue({ names: ['localhost'] })
const { ca } = authority
const files = { 'web.crt': server.chain, 'web.key': server.key }
const tls: Json = { certificates: [{ cert: 'web.crt', key: 'web.key' }] }
const localAddress = '127.0.0.7'

/** Tier 1 forwards connections, with TLS ended here or passed on; tier 2 reads requests. */
function tiers(inner: number, secured: number, app: number): Json {
  const own: { [key: string]: Json } = { address: '127.0.0.1', port: 0 }
  const from: Json = { from: ['127.0.0.1'] }
  const backend = (port: number): Json => [{ address: `127.0.0.1:${port}` }]
  const next: { [key: string]: Json } = { protocol: 'tcp', proxyProtocol: 'v2' }
  return {
    listeners: {
      plain: { ...own, protocol: 'tcp' },
      ended: { ...own, protocol: 'tls', tls },
      passed: { ...own, protocol: 'tcp' },
      inner: { ...own, port: inner, proxyProtocol: from, http: ['1.1', '2'] },
      secured: { ...own, port: secured, protocol: 'https', tls, proxyProtocol: from },
    },
    routes: {
      plain: { listener: 'plain', upstream: 'tier' },
      ended: { listener: 'ended', upstream: 'tier' },
      passed: { listener: 'passed', upstream: 'secured', match: { serverName: 'localhost' } },
      inner: { listener: 'inner', upstream: 'app' },
      secured: { listener: 'secured', upstream: 'app' },
    },
    upstreams: {
      tier: { ...next, backends: backend(inner), health: { interval: '500ms' } },
      secured: { ...next, backends: backend(secured), health: { interval: '500ms' } },
      app: { backends: backend(app), health: false },
    },
  }
}

async function start(): Promise<TestGateway> {
  const app = await httpBackend(({ headers }, response) => {
    const names = ['x-forwarded-for', 'x-real-ip', 'x-forwarded-port', 'x-forwarded-proto', 'forwarded']
    response.end(names.map((name) => headers[name]).join(' '))
  })
  for (let attempt = 1; ; attempt++) {
    try {
      return await startInProcess(tiers(await freePort(), await freePort(), app.port), files)
    } catch (error) {
      // Another process has taken a port meanwhile.
      if (attempt === 5) throw error
    }
  }
}

function ask(port: number, isTls: boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const agent = isTls ? new TlsAgent({ ca, servername: 'localhost' }) : new Agent()
    const options = { host: '127.0.0.1', port, localAddress, agent, headers: { host: 'localhost' } }
    const request = (isTls ? httpsGet : httpGet)(options, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      response.on('end', () => {
        agent.destroy()
        resolve(text)
      })
    })
    request.on('error', reject)
  })
}

test('two tiers in one gateway: the service sees the client, by whatever way it came', async () => {
  const { port, log } = await start()
  const told = (listener: string, scheme: string): string =>
    `${localAddress} ${localAddress} ${port(listener)} ${scheme} for=${localAddress};host=localhost;proto=${scheme}`
  expect(await ask(port('plain'), false)).toBe(told('plain', 'http'))
  expect(await ask(port('ended'), true)).toBe(told('ended', 'https'))
  expect(await ask(port('passed'), true)).toBe(told('passed', 'https'))
  const socket = connect({ host: '127.0.0.1', port: port('plain'), localAddress })
  const session = connectHttp2('http://localhost', { createConnection: () => socket })
  onTestFinished(() => session.destroy())
  let text = ''
  for await (const chunk of session.request({ ':path': '/', ':authority': 'localhost' })) text += String(chunk)
  expect(text).toBe(told('plain', 'http'))
  const requests = log.filter(({ msg }) => msg === 'request')
  expect(requests.map(({ client }) => client)).toEqual(Array.from({ length: 4 }, () => localAddress))
  expect(log.filter(({ msg }) => msg === 'backend down' || msg === 'handshake')).toEqual([])
})

test('a check of such a configuration has nothing to say', async () => {
  const folder = gatewayFolder(tiers(8001, 8002, 8003), files)
  const result = await checkConfig(`${folder}/gateway.json`, { env: {} })
  expect(result).toMatchObject({ ok: true, warnings: [] })
})
