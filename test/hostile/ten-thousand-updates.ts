import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkConfig } from '../../core/check/check.ts'
import type { CheckedConfig } from '../../core/config/checked.ts'
import { Gateway } from '../../core/gateway.ts'
import { createGrantHost } from '../../core/grants/grant-host.ts'
import { Log } from '../../core/telemetry/log.ts'
import { send } from './send.ts'

/**
 * What a worker does on a configuration update, 10⁴ times in a process of its own: through the command line each update is
 * checked in another process first, and that alone would take an hour. Prints what is left of them.
 */
const updates = 10_000
const folder = mkdtempSync(join(tmpdir(), 'postern-updates-'))
const backend = createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1')
await new Promise((resolve) => backend.once('listening', resolve))

/** Differs from the next in its routes, in an upstream that comes and goes, and in every hundredth in its sandbox. */
async function check(routes: number, version: number): Promise<CheckedConfig> {
  const { port } = backend.address() as AddressInfo
  const file = join(folder, `gateway-${routes}-${version}.json`)
  const backends = [{ address: `127.0.0.1:${port}` }]
  const upstreams: Record<string, unknown> = { app: { backends } }
  if (routes % 2 === 0) upstreams.other = { backends, health: false }
  const paths = Array.from({ length: routes }, (_, i) => [
    `r${i}`,
    { listener: 'web', match: { path: `/r${i}/*` }, policies: ['churn'], upstream: 'app' },
  ])
  writeFileSync(
    file,
    JSON.stringify({
      listeners: { web: { address: '127.0.0.1', port: 0 } },
      routes: { ...Object.fromEntries(paths), all: { listener: 'web', upstream: 'app' } },
      upstreams,
      policies: { churn: { plugin: 'churn', options: { version } } },
      plugins: { churn: { source: join(import.meta.dirname, 'plugins/churn/index.ts') } },
      log: { level: 'silent', access: false },
    }),
  )
  const checked = await checkConfig(file, { env: {} })
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
  return checked
}

const configs = [await check(10, 0), await check(11, 0), await check(10, 1), await check(11, 1)]
const gateway = new Gateway({ log: new Log({ write: () => {} }), grants: createGrantHost() })

async function update(n: number): Promise<void> {
  // As it comes out of the channel: a copy, which nobody else holds.
  const checked = structuredClone(configs[(n % 2) + (Math.floor(n / 100) % 2) * 2]!)
  const ready = await gateway.prepare(checked)
  ready.commit()
}

const measure = async (): Promise<{ heap: number; handles: number; rss: number }> => {
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    globalThis.gc!()
  }
  const { heapUsed, rss } = process.memoryUsage()
  return { heap: heapUsed / 2 ** 20, handles: process.getActiveResourcesInfo().length, rss: rss / 2 ** 20 }
}

for (let n = 0; n < 1_000; n++) await update(n)
let status = (await send(gateway.port('web')!, '/r1/x')).status
const before = await measure()
const began = performance.now()
for (let n = 0; n < updates; n++) {
  await update(n)
  // Flows hold on to the snapshot they began with.
  if (n % 50 === 0) status = Math.max(status, (await send(gateway.port('web')!, '/r1/x')).status)
}
const perUpdate = (performance.now() - began) / updates
const after = await measure()
const round = (value: number): number => Math.round(value * 100) / 100
process.stdout.write(
  `${JSON.stringify({
    updates,
    status,
    heap: round(after.heap - before.heap),
    rss: round(after.rss - before.rss),
    handles: after.handles - before.handles,
    perUpdate: round(perUpdate),
  })}\n`,
)
gateway.close()
backend.close()
rmSync(folder, { recursive: true, force: true })
process.exit(0)
