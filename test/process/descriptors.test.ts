import type { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { echoBackend } from '../helpers/backend.ts'
import { open, send } from '../helpers/client.ts'
import { httpConfig, type Json, startGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { collect } from '../http1/raw-backend.ts'

test('descriptors that are used up are named, are no fault of the backend, and are survived', async () => {
  const backend = await echoBackend()
  // No client is closed meanwhile, however busy the machine is.
  const extra = {
    listeners: { web: { timeouts: { head: '5m' } }, db: { protocol: 'tcp', address: '127.0.0.1', port: 0 } },
    routes: { db: { listener: 'db', upstream: 'db' } },
    upstreams: { db: { protocol: 'tcp', backends: [{ address: `127.0.0.1:${backend.port}` }], health: false } },
  }
  const config = { ...(httpConfig([backend.port], extra) as object), workers: 1 } as Json
  const gateway = await startGateway(config, {}, { descriptors: 200 })
  const warned = await gateway.record(({ msg }) => String(msg).includes('can have only 200 descriptors'))
  expect(warned).toMatchObject({ level: 'warn' })

  const clients: Socket[] = []
  const isUsedUp = ({ msg }: Record<string, unknown>): boolean =>
    msg === 'descriptors are used up (200): raise `ulimit -n`'
  const first = await open(gateway.port('web'))
  const got = collect(first)
  // One for which there is no descriptor may be closed before it is connected.
  const openMore = async (into: Socket[], listener = 'web'): Promise<void> => {
    const client = await open(gateway.port(listener)).catch(() => undefined)
    if (client !== undefined) into.push(client)
  }
  for (let i = 0; i < 300; i++) await openMore(clients)
  await gateway.record(isUsedUp)
  expect(gateway.log.find(isUsedUp)).toMatchObject({ level: 'warn' })

  // What the process had open for a moment then, and closes at any time, is taken by more clients.
  const end = performance.now() + 60_000
  while (gateway.log.filter(isUsedUp).length < 3 && performance.now() < end) {
    await openMore(clients)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  expect(gateway.log.filter(isUsedUp).length).toBeGreaterThan(2)
  first.write('GET / HTTP/1.1\r\nhost: h\r\n\r\n')
  await until('the answer', () => got.text.includes('}'))
  expect(got.text).toMatch(/^HTTP\/1\.1 503 .*proxy-status: postern; error=connection_limit_reached/s)
  const record = await gateway.record(({ msg }) => msg === 'request')
  expect(record).toMatchObject({ level: 'warn', status: 503, outcome: 'OM', cause: expect.stringContaining('EMFILE') })

  // Once a second at most, however many clients come.
  const times = gateway.log.filter(isUsedUp).map(({ time }) => Date.parse(String(time)))
  for (let i = 1; i < times.length; i++) expect(times[i]! - times[i - 1]!).toBeGreaterThan(900)

  for (const client of clients) client.destroy()
  let status = 0
  for (const deadline = performance.now() + 30_000; status !== 200 && performance.now() < deadline; ) {
    status = await send(gateway.port('web'), '/').then(
      (answer) => answer.status,
      () => 0,
    )
  }
  expect(status).toBe(200)

  const isOfDb = ({ msg, outcome }: Record<string, unknown>): boolean => msg === 'connection' && outcome === 'OM'
  const dbClients: Socket[] = []
  for (let i = 0; i < 150; i++) await openMore(dbClients, 'db')
  // Each takes two descriptors. Where their number was even, none is left for the client itself, until another kind takes one.
  while (dbClients.length > 0 && !gateway.log.some(isOfDb)) {
    dbClients.shift()!.destroy()
    await openMore(clients)
    await openMore(dbClients, 'db')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const connection = await gateway.record(isOfDb)
  expect(connection).toMatchObject({ level: 'warn', listener: 'db', cause: expect.stringContaining('EMFILE') })
}, 180_000)
