import { once } from 'node:events'
import { createServer, get, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { type Json, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'

const plugin = `
import { definePlugin, reply } from 'postern/sdk'

export default definePlugin({
  name: 'asker',
  options: {
    type: 'object', additionalProperties: false, required: ['url'],
    properties: { url: { type: 'string', description: 'Whom to ask.' } },
  },
  needs: ['fetch'],
  async onRequest({ options, fetch }) {
    try {
      const answer = await fetch(options.url, { timeout: 5_000 })
      return reply(answer.status, answer.text())
    } catch (error) {
      return reply(502, (error as Error).message)
    }
  },
})
`

function config(url: string, fetch: Json[]): Json {
  return {
    listeners: { web: { address: '127.0.0.1', port: 0, policies: ['ask'] } },
    routes: { all: { listener: 'web', reply: { status: 200 } } },
    plugins: { asker: { fetch } },
    policies: { ask: { plugin: 'asker', options: { url } } },
  }
}

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function ask(port: number): Promise<[status: number, body: string]> {
  const response = await fetch(`http://127.0.0.1:${port}/`)
  return [response.status, await response.text()]
}

test('a plugin reaches what the configuration lists, and after a reload what that lists', async () => {
  const port = await serve((_, response) => response.writeHead(201).end('served'))
  const url = `http://localhost:${port}`
  const listed = [{ origin: url, private: true }]
  const gateway = await startInProcess(config(url, listed), { 'plugins/asker/index.ts': plugin })
  expect(await ask(gateway.port('web'))).toEqual([201, 'served'])

  await gateway.reload(config(url, [url]))
  expect(await ask(gateway.port('web'))).toEqual([502, 'fetch.send: localhost has an address that is not public'])
  await gateway.reload(config(url, []))
  expect((await ask(gateway.port('web')))[1]).toContain(`${url} is not listed in "fetch"`)
  expect(gateway.log.some(({ message }) => String(message).includes('no origin is allowed'))).toBe(true)
  await gateway.reload(config(url, listed))
  expect(await ask(gateway.port('web'))).toEqual([201, 'served'])
})

test('a client that goes away ends what its request waits for', async () => {
  let arrived = false
  let closed = false
  const port = await serve((request) => {
    arrived = true
    request.socket.on('close', () => {
      closed = true
    })
  })
  const url = `http://127.0.0.1:${port}`
  const gateway = await startInProcess(config(url, [url]), { 'plugins/asker/index.ts': plugin })
  const client = get({ port: gateway.port('web'), host: '127.0.0.1' }).on('error', () => {})
  await until('the request of the plugin', () => arrived)
  client.destroy()
  await until('its connection to be closed', () => closed, 4_000)
})
