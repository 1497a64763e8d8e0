import { expect, it } from 'vitest'
import { echoBackend } from '../helpers/backend.ts'
import { send } from '../helpers/client.ts'
import { type Json, startInProcess } from '../helpers/gateway.ts'

const teller = `
import { definePlugin, reply } from 'postern/sdk'
export default definePlugin({
  name: 'teller',
  reads: ['cookie:told'],
  writes: ['response.header:x-told'],
  selectBackend({ backends, request }) {
    if (request.cookie('told') === undefined) return
    const told = backends.map(({ address, draining, labels }) => [address, draining, labels.zone, labels.constructor])
    throw new Error(JSON.stringify(told))
  },
})`

it('keeps its sticky sessions, gets no new ones, and plugins see its state and its labels', async () => {
  const [a, b] = [await echoBackend('a'), await echoBackend('b')]
  const config = (state: string): Json => ({
    listeners: { web: { address: '127.0.0.1', port: 0 } },
    routes: { all: { listener: 'web', upstream: 'app', policies: ['teller', 'sticky'] } },
    upstreams: {
      app: {
        backends: [
          { address: `127.0.0.1:${a.port}`, state, labels: { zone: 'west' } },
          { address: `127.0.0.1:${b.port}` },
        ],
        health: false,
      },
    },
    policies: {
      sticky: { plugin: 'sticky-cookie', options: { secret: 'a secret of many letters', secure: false } },
      teller: { plugin: 'teller' },
    },
  })
  const { port, reload, record } = await startInProcess(config('up'), { 'plugins/teller/index.ts': teller })
  const ask = async (cookie?: string): Promise<{ name: unknown; cookie: string | undefined; status: number }> => {
    const { headers, status } = await send(port('web'), '/', { headers: cookie === undefined ? {} : { cookie } })
    return { name: headers['x-backend'], cookie: headers['set-cookie']?.[0]?.split(';')[0], status }
  }
  let old = await ask()
  while (old.name !== 'a') old = await ask()

  await reload(config('drain'))
  for (let i = 0; i < 6; i++) expect((await ask(old.cookie)).name).toBe('a')
  for (let i = 0; i < 6; i++) expect((await ask()).name).toBe('b')
  expect((await ask('told=1')).status).toBe(500)
  const { cause } = await record(({ msg }) => msg === 'policy failed')
  expect(cause).toContain(`[["127.0.0.1:${a.port}",true,"west",null],["127.0.0.1:${b.port}",false,null,null]]`)

  await reload(config('down'))
  const moved = await ask(old.cookie)
  expect([moved.name, moved.cookie === undefined]).toEqual(['b', false])
})
