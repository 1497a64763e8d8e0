import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { AcmeState } from '../../../core/acme/acme-state.ts'
import { checkConfig } from '../../../core/check/check.ts'
import { gatewayFolder, type Json, startInProcess } from '../../helpers/gateway.ts'
import { blocksOf } from '../../rules/markdown.ts'
import { read } from '../../rules/sources.ts'
import { createAuthority, selfSigned } from '../certificates.ts'
import { openTls } from '../client.ts'

const answer = { type: 'http-01', token: 'token-1', answer: 'token-1.thumb' } as const
const listeners = { web: { port: 0 } }

describe('a challenge by http-01', () => {
  test('is answered beside a redirect of everything to https, and only it', async () => {
    const { gateway, port, log } = await startInProcess({
      listeners,
      routes: { all: { listener: 'web', reply: { status: 308, redirect: 'https://{host}{path}{query}' } } },
    })
    const get = async (path: string, method = 'GET'): Promise<[number, string]> => {
      const response = await fetch(`http://127.0.0.1:${port('web')}${path}`, { method, redirect: 'manual' })
      return [response.status, await response.text()]
    }
    const known = '/.well-known/acme-challenge/token-1'
    expect((await get(known))[0]).toBe(308)
    gateway.acme.challenge([answer])
    expect(await get(known)).toEqual([200, 'token-1.thumb'])
    expect(await get(known, 'HEAD')).toEqual([200, ''])
    for (const path of [
      '/',
      '/.well-known/acme-challenge/',
      `${known}2`,
      `${known}?a`,
      '/.well-known/acme-challenge/toString',
    ])
      expect((await get(path))[0]).toBe(308)
    gateway.acme.challenge([])
    expect((await get(known))[0]).toBe(308)
    expect(log.filter(({ status, path }) => status === 200 && path === known)).toHaveLength(2)
  })

  test('is answered before a policy that refuses all connections', async () => {
    const code = `import { definePlugin, reply } from 'postern/sdk'
export default definePlugin({ name: 'closed', onConnect() { return reply(403) } })
`
    const { gateway, port } = await startInProcess(
      {
        listeners: { web: { port: 0, policies: ['closed'] } },
        routes: { all: { listener: 'web', reply: { status: 200 } } },
        policies: { closed: { plugin: 'closed' } },
      },
      { 'plugins/closed/index.ts': code },
    )
    const statusOf = async (path: string): Promise<number> =>
      (await fetch(`http://127.0.0.1:${port('web')}${path}`)).status
    gateway.acme.challenge([answer])
    expect(await statusOf('/.well-known/acme-challenge/token-1')).toBe(200)
    expect(await statusOf('/.well-known/acme-challenge/token-2')).toBe(403)
    expect(await statusOf('/')).toBe(403)
  })

  test('of a backend that gets certificates itself goes to it', async () => {
    const { gateway, port } = await startInProcess({
      listeners,
      routes: { all: { listener: 'web', reply: { status: 200, body: 'of the backend' } } },
    })
    gateway.acme.challenge([answer])
    const response = await fetch(`http://127.0.0.1:${port('web')}/.well-known/acme-challenge/token-of-backend`)
    expect(await response.text()).toBe('of the backend')
  })
})

test('a state answers the challenges of the last message, and no others', () => {
  const state = new AcmeState()
  const proof = { type: 'tls-alpn-01', name: 'a.example', cert: 'c', key: 'k' } as const
  state.challenge([answer, proof])
  expect(state.answer('/.well-known/acme-challenge/token-1')).toBe('token-1.thumb')
  expect(state.answer('/.well-known/acme-challenge/__proto__')).toBeUndefined()
  expect(state.answer('/token-1')).toBeUndefined()
  expect(state.proof('a.example')).toBe(proof)
  expect(state.proof('b.example')).toBeUndefined()
  state.challenge([])
  expect(state.proof('a.example')).toBeUndefined()
  expect(state.answer('/.well-known/acme-challenge/token-1')).toBeUndefined()
})

test('a state keeps the certificates of entries that stay, and the newest of each', () => {
  const state = new AcmeState()
  const one = { id: 'one', cert: '1', key: 'k' }
  state.install([one, { id: 'two', cert: '2', key: 'k' }])
  state.install([{ ...one, cert: 'newer' }])
  expect(state.certificates.map(({ cert }) => cert)).toEqual(['newer', '2'])
  state.keep(new Set(['two', 'three']))
  expect(state.certificates.map(({ id }) => id)).toEqual(['two'])
  expect(state.certificate('one')).toBeUndefined()
})

describe('a challenge by tls-alpn-01', () => {
  const authority = createAuthority()
  const web = authority.issue({ names: ['a.example'] })
  const proof = selfSigned({ names: ['a.example'] })
  const challenge = { type: 'tls-alpn-01', name: 'a.example', cert: proof.cert, key: proof.key } as const
  const files = { 'web.crt': web.chain, 'web.key': web.key, 'ca.crt': authority.ca }

  test.each([
    ['https', {}],
    ['https', { clientCertificate: { mode: 'require', ca: ['ca.crt'] }, strict: true }],
    ['tls', { starttls: 'postgres' }],
  ] as const)('is answered by a listener with the protocol %s and %j', async (protocol, more) => {
    const tls = { certificates: [{ cert: 'web.crt', key: 'web.key' }], ...more } as Json
    const reply = { listener: 'web', reply: { status: 200 } }
    const config = { listeners: { web: { port: 0, protocol, tls } }, routes: protocol === 'tls' ? {} : { all: reply } }
    const { gateway, port, log } = await startInProcess(config as Json, files)
    const open = (servername: string, ALPNProtocols = ['acme-tls/1']): Promise<TLSSocket> =>
      openTls(port('web'), { servername, ALPNProtocols, rejectUnauthorized: false })
    await expect(open('a.example')).rejects.toThrow(/no application protocol/)
    gateway.acme.challenge([challenge])
    const socket = await open('A.example')
    expect(socket.alpnProtocol).toBe('acme-tls/1')
    expect(socket.getPeerX509Certificate()?.raw.equals(proof.der)).toBe(true)
    // It gets the proof, and nothing else.
    const ended = new Promise((resolve) => socket.once('end', resolve))
    socket.resume()
    await ended
    await expect(open('b.example')).rejects.toThrow()
    await expect(open('a.example', ['acme-tls/1', 'x'])).rejects.toThrow()
    gateway.acme.challenge([])
    await expect(open('a.example')).rejects.toThrow()
    expect(log.filter(({ level }) => level === 'error')).toEqual([])
  })
})

test('the certificate by ACME of README.md is a valid configuration', async () => {
  const part = blocksOf(read('README.md'), 'json').find((block) => block.includes('"acme"'))
  const config = { listeners: { web: JSON.parse(`{ ${part} }`) as Json }, routes: {}, upstreams: {} }
  const folder = gatewayFolder(config)
  const result = await checkConfig(join(folder, 'gateway.json'), { env: {} })
  expect(result).toMatchObject({ ok: true, config: { acme: [{ storage: join(folder, 'acme') }] } })
})
