import { describe, expect, it } from 'vitest'
import { httpBackend } from '../helpers/backend.ts'
import { open, send } from '../helpers/client.ts'
import { httpConfig, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'

const holder = `
import { definePlugin } from 'postern/sdk'
export default definePlugin({
  name: 'holder',
  when: { responseTypes: ['application/json', 'application/*+json'] },
  reads: ['response.body:buffer:100'],
  writes: ['response.header:x-held', 'header:x-asked', 'response.body'],
  onRequest({ request }) { request.setHeader('x-asked', 'yes') },
  onResponse({ response }) { response.setHeader('x-held', String(response.body.bytes.length)) },
})`

const upper = `
import { definePlugin } from 'postern/sdk'
export default definePlugin({
  name: 'upper',
  when: { responseTypes: ['text/*'] },
  writes: ['response.body'],
  onResponseBody({ chunk }) { return chunk.bytes.map((byte) => byte - 32) },
})`

async function gateway(policy: string) {
  const backend = await httpBackend((request, response) => {
    const [, type = '', length] = request.url!.split(',')
    response.writeHead(200, {
      ...(type !== '' && { 'content-type': decodeURIComponent(type) }),
      ...(length !== undefined && { 'content-length': length }),
      'x-asked': String(request.headers['x-asked']),
    })
    response.write('abc')
    if (type === 'text%2Fevent-stream') return
    response.end('d'.repeat(Math.max(0, Number(length ?? 3) - 3)))
  })
  return startInProcess(
    httpConfig([backend.port], {
      routes: { all: { policies: [policy] } },
      policies: { [policy]: { plugin: policy } },
    }),
    { 'plugins/holder/index.ts': holder, 'plugins/upper/index.ts': upper },
  )
}

const path = (type: string, length = ''): string => `/,${encodeURIComponent(type)}${length && `,${length}`}`

describe('a policy for some types of responses', () => {
  it.each([
    ['application/json', true],
    ['Application/JSON; charset=utf-8', true],
    ['application/problem+json', true],
    ['application/jsonp', false],
    ['text/json', false],
    ['application/json-seq', false],
    ['', false],
  ])('that are %j: %s', async (type, isHeld) => {
    const { port } = await gateway('holder')
    const { headers, body } = await send(port('web'), path(type, '5'))
    // Its other hooks run in any case.
    expect([headers['x-held'], headers['x-asked'], body]).toEqual([isHeld ? '5' : undefined, 'yes', 'abcdd'])
  })

  it('leaves a large image and an event stream alone, which it could not hold', async () => {
    const { port } = await gateway('holder')
    const image = await send(port('web'), path('image/png', '100000'))
    expect([image.status, image.headers['content-length'], image.body.length]).toEqual([200, '100000', 100_000])
    const client = await open(port('web'))
    let text = ''
    client.on('data', (bytes: Buffer) => {
      text += bytes.toString()
    })
    client.write(`GET ${path('text/event-stream')} HTTP/1.1\r\nhost: a\r\n\r\n`)
    await until('the first event, long before the end', () => text.includes('abc'))
  })

  it('changes the chunks of those alone, and the length of no other', async () => {
    const { port } = await gateway('upper')
    const text = await send(port('web'), path('text/plain', '3'))
    expect([text.body, text.headers['content-length']]).toEqual(['ABC', undefined])
    const image = await send(port('web'), path('image/png', '3'))
    expect([image.body, image.headers['content-length']]).toEqual(['abc', '3'])
  })
})
