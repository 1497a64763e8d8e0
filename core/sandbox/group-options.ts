import type { GrantHost } from '../grants/grant-host.ts'
import type { Supervision } from './breaker.ts'
import type { CrossingGuard } from './crossing-guard.ts'
import type { CrossingLeases } from './crossing-leases.ts'
import type { SandboxEvent } from './event.ts'
import type { OpenExecutor } from './executor.ts'
import type { Binding } from './layout.ts'

export interface GroupOptions {
  readonly name: string
  /** Indexed by `HookStep.instance`; bindings of other groups may be among them. */
  readonly bindings: readonly Binding[]
  readonly open: OpenExecutor
  /** The largest `time` of its policies, ms. */
  readonly time: number
  /** Heap limit of its isolate, MB. */
  readonly memory: number
  readonly grants: GrantHost
  /** Counter leases from which its dispatcher decides; closed with the group. Default: the host decides all takes. */
  readonly leases?: CrossingLeases | undefined
  /** Which plugins are restricted. Default: none. */
  readonly supervision?: Supervision
  /** Whether calls may cross as runs. Default: true. */
  readonly fused?: boolean
  readonly guard?: CrossingGuard | undefined
  readonly onEvent?: ((event: SandboxEvent) => void) | undefined
}
