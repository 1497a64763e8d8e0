import { describe, expect, it } from 'vitest'
import { tcpBackend } from '../helpers/backend.ts'
import { open } from '../helpers/client.ts'
import { httpConfig, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { collect } from '../http1/raw-backend.ts'

const utf8 = (text: string): string => Buffer.from(text).toString('latin1')

const echo = `
import { definePlugin, reply } from 'postern/sdk'
export default definePlugin({
  name: 'echo',
  reads: ['header:x-city', 'cookie:city', 'header:*', 'response.header:x-city'],
  writes: ['header:x-seen', 'header:x-new', 'response.header:x-seen'],
  onRequest({ request }) {
    const city = request.header('x-city')
    if (city === 'reply') return reply(200, '', { 'x-a': 'Łódź', 'set-cookie': ['a=1', 'b=Łódź'] })
    if (city === 'list') return reply(200, '', { 'x-a': ['a', 'b'] as unknown as string })
    if (city === 'number') return reply(200, '', { 'x-a': 5 as unknown as string })
    if (city === 'nothing') return reply(302, '', { location: undefined as unknown as string })
    if (city === 'control') return reply(200, '', { 'x-a': 'Łódź\\r\\nx-b: 1' })
    request.setHeader('x-seen', [city, request.cookie('city'), request.headers().find(([name]) => name === 'x-city')?.[1]].map((text) => text?.length).join())
    request.setHeader('x-new', 'Łódź')
  },
  onResponse({ response }) {
    response.setHeader('x-seen', response.header('x-city') + ' ' + response.header('x-city')?.length)
  },
})`

async function start(response = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n') {
  const seen: string[] = []
  const backend = await tcpBackend((socket) => {
    socket.on('data', (chunk: Buffer) => {
      seen.push(chunk.toString('latin1'))
      socket.write(response, 'latin1')
    })
  })
  const gateway = await startInProcess(
    httpConfig([backend.port], {
      routes: {
        all: { policies: ['echo'] },
        header: { listener: 'web', match: { headers: { 'x-city': 'Zürich' } }, reply: { body: 'by header' } },
        cookie: { listener: 'web', match: { cookies: { city: 'Łódź' } }, reply: { body: 'by cookie' } },
      },
      policies: { echo: { plugin: 'echo' } },
    }),
    { 'plugins/echo/index.ts': echo },
  )
  const ask = async (...lines: string[]): Promise<string> => {
    const socket = await open(gateway.port('web'))
    const got = collect(socket)
    socket.write(['GET / HTTP/1.1', 'host: h', 'connection: close', ...lines, '', ''].join('\r\n'), 'latin1')
    await until('the end', () => got.end)
    return got.text
  }
  return { ask, seen, gateway }
}

describe('header values beyond ASCII', () => {
  it.each([
    ['UTF-8', utf8('Zürich')],
    ['ISO-8859-1', 'Z\xfcrich'],
  ])('meet the text of a route: %s', async (_what, value) => {
    const { ask } = await start()
    expect(await ask(`x-city: ${value}`)).toContain('content-length: 9')
  })

  it('meet the text of a route: a cookie', async () => {
    const { ask } = await start()
    expect(await ask(`cookie: a=1; city=${utf8('Łódź')}`)).toContain('content-length: 9')
  })

  it.each([
    ['UTF-8', utf8('Köln')],
    ['ISO-8859-1', 'K\xf6ln'],
  ])('are text to plugins, and keep their bytes: %s', async (_what, value) => {
    const { ask, seen } = await start(`HTTP/1.1 200 OK\r\nx-city: ${value}\r\ncontent-length: 0\r\n\r\n`)
    const text = await ask(`x-city: ${value}`, `cookie: city=${value}`)
    expect(seen[0]).toContain(`x-city: ${value}\r\ncookie: city=${value}\r\n`)
    expect(seen[0]).toContain('x-seen: 4,4,4\r\n')
    expect(text).toContain(`x-city: ${value}\r\n`)
    expect(text).toContain(`x-seen: ${utf8('Köln')} 4\r\n`)
  })

  it('that a plugin writes go out as UTF-8', async () => {
    const { ask, seen } = await start()
    await ask('x-city: a')
    expect(seen[0]).toContain(`x-new: ${utf8('Łódź')}\r\n`)
    const text = await ask('x-city: reply')
    expect(text).toContain(`x-a: ${utf8('Łódź')}\r\nset-cookie: a=1\r\nset-cookie: b=${utf8('Łódź')}\r\n`)
  })
})

describe('the headers of a reply', () => {
  it.each([
    ['list', 'reply: the header "x-a" must be a string, not a list'],
    ['number', 'reply: the header "x-a" must be a string, not a number'],
    ['nothing', 'reply: the header "location" must be a string, not undefined'],
    ['control', 'the value of "x-a" has characters that are not allowed in a header'],
  ])('are refused: %s', async (what, why) => {
    const { ask, gateway } = await start()
    expect(await ask(`x-city: ${what}`)).toMatch(/^HTTP\/1\.1 500 /)
    expect((await gateway.record(({ msg }) => msg === 'policy failed')).cause).toContain(why)
  })
})
