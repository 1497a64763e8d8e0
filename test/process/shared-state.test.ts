import { deserialize, serialize } from 'node:v8'
import { expect, test, vi } from 'vitest'
import type { CheckedConfig } from '../../core/config/checked.ts'
import type { HealthReport } from '../../core/process/channel.ts'
import { type PackedConfig, packConfig } from '../../core/process/packed-config.ts'
import { SharedState } from '../../core/process/shared-state.ts'
import type { WorkerSlot } from '../../core/process/worker-slot.ts'
import { Log } from '../../core/telemetry/log.ts'

const worker = {} as WorkerSlot

/** A configuration as it arrives from the check child. */
function configWith(upstreams: Record<string, readonly string[]>): PackedConfig {
  const config = {
    routes: {},
    upstreams: Object.fromEntries(
      Object.entries(upstreams).map(([name, addresses]) => [
        name,
        { backends: addresses.map((address) => ({ address })) },
      ]),
    ),
  }
  return deserialize(serialize(packConfig({ config, policies: new Map() } as unknown as CheckedConfig)))
}

function healthIn(shared: SharedState): readonly HealthReport[] {
  return shared.briefing().flatMap((message) => (message.type === 'health' ? message.reports : []))
}

test('health of a backend that a configuration does not name is forgotten', () => {
  const shared = new SharedState(new Log({ write: () => {} }), () => {})
  const reports = [
    { upstream: 'a', address: 'x:1', healthy: false },
    { upstream: 'a', address: 'x:2', healthy: false },
    { upstream: 'b', address: 'x:1', healthy: false },
    { upstream: '__proto__', address: 'x:1', healthy: false },
  ]
  shared.health(reports, worker)
  expect(healthIn(shared)).toEqual(reports)
  shared.adopt(configWith({ a: ['x:2', 'x:3'], c: ['x:1'] }))
  expect(healthIn(shared)).toEqual([reports[1]])
  shared.close()
})

test('the supervisor parses no upstream to adopt a configuration', () => {
  const shared = new SharedState(new Log({ write: () => {} }), () => {})
  const addresses = Array.from({ length: 1_000 }, (_, index) => `10.0.${index >> 8}.${index & 255}:80`)
  shared.health(
    addresses.map((address) => ({ upstream: 'app', address, healthy: true })),
    worker,
  )
  const packed = configWith({ app: addresses })
  const parse = vi.spyOn(JSON, 'parse')
  try {
    shared.adopt(packed)
    expect(parse).not.toHaveBeenCalled()
  } finally {
    parse.mockRestore()
  }
  expect(healthIn(shared)).toHaveLength(1_000)
  shared.close()
})
