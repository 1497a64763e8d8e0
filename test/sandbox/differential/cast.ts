import { fileURLToPath } from 'node:url'
import { normalizeScopes } from '../../../core/check/scopes.ts'
import { createMemoryCounters } from '../../../core/grants/counter/memory-counters.ts'
import { createGrantHost, type GrantHost } from '../../../core/grants/grant-host.ts'
import type { GrantCall } from '../../../core/grants/operation.ts'
import { type Chain, compileChain } from '../../../core/hooks/chain.ts'
import { compilePolicy, type Policy } from '../../../core/hooks/policy.ts'
import { bundlePlugin } from '../../../core/sandbox/bundle.ts'
import type { CrossingGuard } from '../../../core/sandbox/crossing-guard.ts'
import { type Inspector, openInspector } from '../../../core/sandbox/inspect.ts'
import { defaultLimits } from '../../../core/sandbox/limits.ts'
import type { Instance, Limits, PluginCode, Sandbox } from '../../../core/sandbox/plugin.ts'
import { createSandbox } from '../../../core/sandbox/sandbox.ts'
import { type Line, plugins, type Role } from './script.ts'

/**
 * How adjacent policies cross: each alone, which is what the others are compared with; as fused runs; or together in the
 * general way, on which fused runs fall back.
 */
export type Manner = 'alone' | 'fused' | 'together'

/** The chains of a line. */
export interface Chains {
  readonly route: Chain
  readonly through: { readonly [upstream: string]: Chain }
  /** Labels of all of its policies. */
  readonly labels: readonly number[]
}

/** Policies in a sandbox, with grants of their own that keep what was asked of them. */
export interface Cast {
  readonly chains: readonly Chains[]
  readonly sandbox: Sandbox
  readonly grants: GrantHost
  readonly hashes: readonly string[]
  /** Events of the sandbox, each as one text. */
  readonly events: string[]
  /** What the policies asked of the grants, by flow: log lines and metrics, and everything else. */
  readonly notes: Map<string, string[]>
  readonly asked: Map<string, string[]>
}

export interface Bundles {
  readonly [plugin: string]: { readonly code: PluginCode; readonly inspector: Inspector }
}

/** The plugins, bundled once for all casts. */
export async function bundleAll(): Promise<Bundles> {
  const bundles: { [plugin: string]: Bundles[string] } = {}
  for (const name of plugins) {
    const file = fileURLToPath(new URL(`../../fixtures/plugins/program/${name}.ts`, import.meta.url))
    const code = await bundlePlugin({ file, publisher: 'local' })
    bundles[name] = { code, inspector: openInspector(code.script, code) }
  }
  return bundles
}

export function openCast(
  bundles: Bundles,
  { roles, lines }: { readonly roles: readonly Role[]; readonly lines: readonly Line[] },
  manner: Manner,
  { limits = {}, guard }: { readonly limits?: Partial<Limits>; readonly guard?: CrossingGuard } = {},
): Cast {
  const instances: Instance[] = []
  const policies = roles.map((role, i): Policy => {
    const { plugin: name, group, onFailure, ...own } = role
    const { code: plugin, inspector } = bundles[name]!
    const options = { ...own, label: String(i) }
    const { scopes, wrong } = normalizeScopes(inspector.scopes(options))
    if (wrong.length > 0) throw new Error(wrong.join('\n'))
    // Time on the clock: none of them is slow, and the machine may be busy.
    const allowed = { ...defaultLimits, time: 2_000, ...limits }
    const checked = { name: `p${i}`, plugin, options, scopes, onFailure, limits: allowed, fetch: [], group }
    const { policy, instance } = compilePolicy(checked, i)
    instances.push(instance)
    // A policy never crosses together with one that belongs to another group, as far as its chain knows.
    return manner === 'alone' ? { ...policy, group: `own ${i}` } : policy
  })
  const cast = { events: [] as string[], notes: new Map<string, string[]>(), asked: new Map<string, string[]>() }
  // Where policies cross alone the host decides all takes of counters, which must not show either.
  const grants = recording(cast, manner !== 'alone')
  const sandbox = createSandbox({
    instances,
    grants,
    fused: manner === 'fused',
    ...(guard && { guard }),
    onEvent: ({ type, plugin, policy, hook, message }) => {
      cast.events.push([type, plugin, policy, hook, message.split('\n')[0]!.replace(/[\d.,]+ ms/g, '# ms')].join(' '))
    },
  })
  const chainOf = (labels: readonly number[]): Chain => compileChain(labels.map((label) => policies[label]!))
  const chains = lines.map(({ route, green, blue }) => ({
    route: chainOf(route),
    through: { green: chainOf([...route, ...green]), blue: chainOf([...route, ...blue]) },
    labels: [...new Set([...route, ...green, ...blue])],
  }))
  const hashes = plugins.map((name) => bundles[name]!.code.hash)
  return { ...cast, chains, sandbox, grants, hashes }
}

/** Real grants, two of which take their time, and which keep what was asked of them. */
function recording({ notes, asked }: Pick<Cast, 'notes' | 'asked'>, shares: boolean): GrantHost {
  const real = createGrantHost({ counters: createMemoryCounters() })
  const immediate = new Set(real.immediate)
  immediate.delete('digest.hmac')
  return {
    immediate,
    leases: shares ? real.leases : undefined,
    perform: (call) => {
      const { operation, args } = call
      if (/^(?:log|metric)\./.test(operation)) {
        keep(notes, call)
        return []
      }
      // Counters may be decided without the host; what they have decided shows in the flows.
      if (operation !== 'counter.take') keep(asked, call)
      if (operation === 'digest.hmac') return after(Number(args[0]), [`slow ${args[1]}`])
      if (operation === 'digest.random') return Promise.resolve([`soon ${args[0]}`])
      return real.perform(call)
    },
  }
}

function keep(lists: Map<string, string[]>, { request = '', policy, operation, args }: GrantCall): void {
  let list = lists.get(request)
  if (list === undefined) {
    list = []
    lists.set(request, list)
  }
  list.push(JSON.stringify([policy, operation, args]))
}

/** The values, so many turns of the event loop later. */
async function after(turns: number, values: readonly string[]): Promise<readonly string[]> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve))
  return values
}
