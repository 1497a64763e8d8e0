import { performance } from 'node:perf_hooks'
import type { HealthConfig } from '../config/types.ts'
import type { Backend } from './backend.ts'
import { probeHttp, probeTcp } from './probe.ts'
import { probeGrpc } from './probe-grpc.ts'
import { probeHttp2 } from './probe-http2.ts'
import { probeNothing, probeTcpPort, probeUdp } from './probe-udp.ts'

/** Called when a backend's health changes; `why` describes the probe that changed it, for the log. */
export type HealthListener = (backend: Backend, healthy: boolean, why: string) => void

/** The result of one probe, or of one policy. */
export interface Verdict {
  readonly healthy: boolean
  readonly why: string
  /** Replaces the configured weight. */
  readonly weight?: number | undefined
}

/**
 * Asks the policies of a backend's upstream before it is probed; `timeout` applies to each policy, ms. `done` is called once,
 * never before this function has returned and never after `cancel`; without a verdict the backend is probed.
 *
 * @returns `undefined` when the upstream has no such policy; then `done` is not called.
 */
export type Examine = (
  backend: Backend,
  timeout: number,
  done: (verdict: Verdict | undefined) => void,
) => { cancel(): void } | undefined

/** The listeners and the policies that take part in health checks. */
export interface HealthParty {
  readonly onHealth?: HealthListener | undefined
  /** Called when other processes cannot know the health or the measured weight of a backend: one has changed, or it is new. */
  readonly onState?: ((backend: Backend) => void) | undefined
  readonly examine?: Examine | undefined
}

/**
 * Probes one backend periodically, from its creation until `stop`, and sets `backend.healthy`: `rise` good probes in a row
 * bring it up, `fall` bad ones take it down. The verdict of a policy replaces a probe. Probes never overlap; their interval
 * varies by 10 % so that gateways started together do not probe together. The timer does not keep the process alive.
 */
export class HealthCheck {
  readonly #backend: Backend
  readonly #config: HealthConfig
  readonly #party: HealthParty
  /** Consecutive probes that contradict the present state. */
  #streak = 0
  #timer: NodeJS.Timeout | undefined
  #probe: { cancel(): void } | undefined
  #stopped = false

  /** @param delay until the first probe, ms. */
  constructor(backend: Backend, config: HealthConfig, party: HealthParty, delay = 0) {
    this.#backend = backend
    this.#config = config
    this.#party = party
    // Not synchronously: the policies to ask become active together with the backend, later in the same commit.
    this.#timer = setTimeout(() => this.#run(), delay).unref()
    backend.refused = (why) => this.#count({ healthy: false, why, weight: backend.measuredWeight })
  }

  /** Ends it immediately: no timer, no socket and no further change. */
  stop(): void {
    this.#stopped = true
    this.#backend.refused = undefined
    clearTimeout(this.#timer)
    this.#probe?.cancel()
  }

  #run(): void {
    const started = performance.now()
    const end = (verdict: Verdict | undefined): void => {
      this.#probe = undefined
      if (verdict !== undefined) this.#count(verdict)
      // The listener may have stopped it.
      if (this.#stopped) return
      const interval = this.#config.interval * (0.9 + 0.2 * Math.random())
      const rest = Math.max(1, interval - (performance.now() - started))
      this.#timer = setTimeout(() => this.#run(), rest).unref()
    }
    const probe = (): { cancel(): void } => probeOf(this.#backend, this.#config)(this.#backend, this.#config, end)
    const asked = this.#party.examine?.(this.#backend, this.#config.timeout, (verdict) => {
      if (verdict === undefined) this.#probe = probe()
      else end(verdict)
    })
    this.#probe = asked ?? probe()
  }

  #count({ healthy, why, weight }: Verdict): void {
    const backend = this.#backend
    if (weight !== backend.measuredWeight) {
      backend.measuredWeight = weight
      this.#party.onState?.(backend)
    }
    if (healthy === backend.healthy) {
      this.#streak = 0
      return
    }
    this.#streak++
    if (this.#streak < (healthy ? this.#config.rise : this.#config.fall)) return
    this.#streak = 0
    backend.healthy = healthy
    this.#party.onHealth?.(backend, healthy, why)
  }
}

function probeOf({ http, protocol, proxyProtocol }: Backend, { path, grpc, udp, tcp }: HealthConfig): typeof probeTcp {
  if (protocol === 'udp') return udp !== undefined ? probeUdp : tcp !== undefined ? probeTcpPort : probeNothing
  if (grpc !== undefined) return probeGrpc
  if (path === undefined) return probeTcp
  return http === '1.1' && proxyProtocol === undefined ? probeHttp : probeHttp2
}
