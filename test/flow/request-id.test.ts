import { describe, expect, it } from 'vitest'
import { deadPort, echoBackend } from '../helpers/backend.ts'
import { raw, send } from '../helpers/client.ts'
import { httpConfig, type Json, startInProcess } from '../helpers/gateway.ts'

const mirror = `
import { definePlugin, reply } from 'postern/sdk'
export default definePlugin({
  name: 'mirror',
  reads: ['header:x-request-id', 'request.id', 'path'],
  onRequest({ request }) {
    if (request.path === '/reply') return reply(401, { title: 'no' })
    if (request.path === '/mirror') return reply(200, request.header('x-request-id') + ' ' + request.id)
  },
})`

async function gateway(extra: { [section: string]: { [name: string]: Json } } = {}) {
  const backend = await echoBackend()
  return startInProcess(
    httpConfig([backend.port], {
      ...extra,
      routes: {
        all: { policies: ['mirror'] },
        own: { listener: 'web', match: { path: '/own' }, reply: { body: 'hi' } },
      },
      policies: { mirror: { plugin: 'mirror' } },
    }),
    { 'plugins/mirror/index.ts': mirror },
  )
}

const trusting = { listeners: { web: { trustedProxies: ['127.0.0.0/8'] } } }
const made = /^[\da-f]{8}-[\da-f-]{27}$/

describe('the identifier of a request', () => {
  it.each(['/', '/reply', '/mirror', '/own', '/%00'])('is told to the client, and is in the log: %s', async (path) => {
    const { port, record } = await gateway()
    const answer = await send(port('web'), path, { headers: { 'x-request-id': 'mine' } })
    const { id } = await record(({ msg }) => msg === 'request')
    expect(id).toMatch(made)
    expect(answer.headers['x-request-id']).toBe(id)
  })

  it('is told with the refusal of what never became a request, too', async () => {
    const { port, record } = await gateway()
    const text = await raw(port('web'), 'GET / HTTP/1.1\r\nhost: a\r\nbad\r\n\r\n')
    const { id } = await record(({ msg }) => msg === 'request')
    expect(id).toMatch(made)
    expect(text).toMatch(new RegExp(`^HTTP/1.1 400 [\\s\\S]*x-request-id: ${id}\r\n[\\s\\S]*"request":"${id}"`))
  })

  it('is the one of a trusted proxy, for the backend, the policies, the log and the client', async () => {
    const { port, record } = await gateway(trusting)
    const id = 'Root=1-67891233-abcdef/012@host:~x,y;o+1._z'
    const headers = { 'x-request-id': id }
    const answer = await send(port('web'), '/', { headers })
    expect(answer.headers['x-request-id']).toBe(id)
    expect(answer.json<{ headers: object }>().headers).toMatchObject(headers)
    expect((await record(({ msg }) => msg === 'request')).id).toBe(id)
    expect((await send(port('web'), '/mirror', { headers })).body).toBe(`${id} ${id}`)
  })

  it.each([
    ['empty', ''],
    ['too long', 'x'.repeat(129)],
    ['with a quote', 'a"b'],
    ['with a backslash', 'a\\b'],
    ['with a space', 'a b'],
    ['with other letters', 'é'],
  ])('of a trusted proxy is replaced when it is %s', async (_what, id) => {
    const { port } = await gateway(trusting)
    const { body, headers } = await send(port('web'), '/mirror', { headers: { 'x-request-id': id } })
    expect(headers['x-request-id']).toMatch(made)
    expect(body).toBe(`${headers['x-request-id']} ${headers['x-request-id']}`)
  })

  it('of a stranger is replaced before a policy reads it, and Connection does not remove it', async () => {
    const { port } = await gateway()
    const headers = { 'x-request-id': 'mine', connection: 'x-request-id' }
    const mirrored = await send(port('web'), '/mirror', { headers })
    const id = mirrored.headers['x-request-id']
    expect(mirrored.body).toBe(`${id} ${id}`)
    const seen = (await send(port('web'), '/', { headers })).json<{ headers: Record<string, string> }>().headers
    expect(seen['x-request-id']).toMatch(made)
  })
})

it('the record says how many backends were tried, with what agent and in which version', async () => {
  const backend = await echoBackend()
  const { port, record } = await startInProcess(httpConfig([await deadPort(), await deadPort(), backend.port]))
  await send(port('web'), '/', { headers: { 'user-agent': 'test/1' } })
  expect(await record(({ msg }) => msg === 'request')).toMatchObject({
    ...{ attempts: 3, userAgent: 'test/1', protocol: 'HTTP/1.1', backend: `127.0.0.1:${backend.port}` },
  })
})
