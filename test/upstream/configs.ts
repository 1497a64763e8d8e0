import type { BackendConfig, HealthConfig, UpstreamConfig } from '../../core/config/types.ts'
import type { FlowFacts } from '../../core/hooks/scopes.ts'
import { Backend } from '../../core/upstream/backend.ts'

export function backendConfig(address: string, changes: Partial<BackendConfig> = {}): BackendConfig {
  return { address, weight: 1, state: 'up', ...changes }
}

export function healthConfig(changes: Partial<HealthConfig> = {}): HealthConfig {
  return { enabled: true, interval: 10, timeout: 2_000, rise: 2, fall: 2, ...changes }
}

/** Without health checks unless told. */
export function upstreamConfig(backends: BackendConfig[], changes: Partial<UpstreamConfig> = {}): UpstreamConfig {
  return {
    protocol: 'http',
    http: '1.1',
    backends,
    balance: 'round-robin',
    health: healthConfig({ enabled: false }),
    retry: { attempts: 2, on: ['connect'], idempotent: [] },
    timeouts: { connect: 2_000, response: 2_000, idle: 2_000, tunnel: 2_000 },
    policies: [],
    ...changes,
  }
}

/** Backends that nobody connects to, one per weight. */
export function backendsOf(weights: readonly number[]): Backend[] {
  return weights.map((weight, index) => new Backend('app', backendConfig(`127.0.0.1:${1_000 + index}`, { weight })))
}

/** A flow that no balance of these tests looks at. */
export const anyFlow: FlowFacts = {} as FlowFacts
