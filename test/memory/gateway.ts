import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { AcmeState } from '../../core/acme/acme-state.ts'
import { checkConfig } from '../../core/check/check.ts'
import { RequestFlow } from '../../core/flow/request.ts'
import type { Fetcher } from '../../core/grants/fetcher.ts'
import { GrantError } from '../../core/grants/grant-error.ts'
import { createGrantHost } from '../../core/grants/grant-host.ts'
import { PolicySet } from '../../core/hooks/policy-set.ts'
import type { UpstreamPool } from '../../core/http/upstream-exchange.ts'
import { createSandbox } from '../../core/sandbox/sandbox.ts'
import { type HttpPlan, Snapshot } from '../../core/snapshot/snapshot.ts'
import { type FlowEnd, type FlowEvent, Tap } from '../../core/telemetry/tap.ts'
import { UpstreamRegistry } from '../../core/upstream/registry.ts'
import { atOnce } from '../helpers/at-once.ts'
import { gatewayFolder, type Json } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { MemoryExchange, type MemoryRequest } from './client.ts'

export interface MemoryGateway {
  readonly events: readonly FlowEvent[]
  /** What plugins fetch at the moment. */
  readonly fetching: ReadonlySet<string>
  /** Begins a request. */
  begin(request?: MemoryRequest): MemoryExchange
  /** Sends a request and waits for its end. */
  send(request?: MemoryRequest): Promise<MemoryExchange>
  /** Waits for the end of the n-th request. */
  end(index?: number): Promise<FlowEnd>
}

/** What plugins fetch is never answered. */
function unanswered(fetching: Set<string>): Fetcher {
  return ({ url }, _origins, signal) => {
    fetching.add(url)
    return new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => {
        fetching.delete(url)
        reject(new GrantError('cancelled'))
      })
    })
  }
}

/** A checked and compiled configuration with an http listener `web`, its flows and its policies, but no socket at all. */
export async function memoryGateway(
  pools: readonly UpstreamPool[],
  extra: { [section: string]: Json } = {},
  files: Record<string, string> = {},
): Promise<MemoryGateway> {
  const backends = pools.map((_pool, index) => ({ address: `192.0.2.${index + 10}:80` }))
  const config = {
    listeners: { web: { address: '127.0.0.1', port: 0, policies: [], ...(extra.listener as object) } },
    routes: { all: { listener: 'web', upstream: 'app', ...(extra.route as object) }, ...(extra.routes as object) },
    upstreams: { app: { backends, health: false, ...(extra.upstream as object) }, ...(extra.upstreams as object) },
    policies: (extra.policies ?? {}) as Json,
    plugins: (extra.plugins ?? {}) as Json,
  }
  const folder = gatewayFolder(config, files)
  const checked = await checkConfig(join(folder, 'gateway.json'), { env: {} })
  if (!checked.ok) return expect.fail(JSON.stringify(checked.problems))
  const registry = new UpstreamRegistry()
  const { upstreams, commit } = atOnce(registry.prepare(checked.config.upstreams))
  commit()
  for (const [index, backend] of upstreams.get('app')!.backends.entries()) backend.pool = pools[index]!
  const policies = PolicySet.of(checked.policies)
  const fetching = new Set<string>()
  const grants = createGrantHost({ fetch: unanswered(fetching) })
  const sandbox = createSandbox({ instances: policies.instances, grants })
  const snapshot = atOnce(
    Snapshot.compile({ config: checked.config, policies, upstreams, sandbox, acme: new AcmeState() }),
  )
  onTestFinished(() => {
    registry.close()
    sandbox.close()
  })
  const plan = snapshot.listeners.get('web') as HttpPlan
  const events: FlowEvent[] = []
  const tap = new Tap([{ seesHooks: true, observe: (event) => void events.push(event) }])
  const begin = (request: MemoryRequest = {}): MemoryExchange => {
    const exchange = new MemoryExchange(request)
    const flow = new RequestFlow(exchange, plan, tap)
    exchange.owner = flow
    flow.start()
    return exchange
  }
  const end = (index = 0): Promise<FlowEnd> =>
    until(`the end of request ${index}`, () => events.filter((event) => event.kind === 'end')[index])
  return {
    events,
    fetching,
    begin,
    end,
    send: async (request) => {
      const exchange = begin(request)
      await until(
        () => `the answer: ${exchange.status} ${exchange.body}`,
        () => exchange.isOver,
      )
      return exchange
    },
  }
}
