import type { Layer } from '../../sdk/points.ts'
import type { WritableFacts } from '../hooks/operations.ts'
import type { BackendFacts, FlowFacts } from '../hooks/scopes.ts'
import type { Peer, TlsFacts } from '../net/peer.ts'
import type { Backend } from '../upstream/backend.ts'

/** What policies see of a flow that has no request: an L4 connection, an L7 one before its first request, a probe. */
export class ConnectionFacts implements FlowFacts, WritableFacts {
  readonly layer: Layer
  readonly id: string
  readonly clientIp: string
  readonly clientPort: number | undefined
  readonly peerIp: string
  readonly localPort: number
  tls: TlsFacts | undefined
  readonly listenerName: string
  routeName: string | undefined
  upstreamName: string | undefined
  readonly request = undefined
  readonly response = undefined
  readonly requestFields = undefined
  readonly responseFields = undefined
  readonly states: (string | undefined)[] = []
  backend: Backend | undefined
  candidates: readonly BackendFacts[] = []
  outcome = ''
  consumer: string | undefined
  /** From the client and to it. */
  readonly bytes = { in: 0, out: 0 }
  /** `undefined`: it is no session of datagrams. */
  datagrams: { in: number; out: number } | undefined
  readonly #upstreamProblem: (name: string) => string | undefined

  /**
   * @param peer `undefined`: there is no client.
   * @param upstreamProblem why a policy cannot choose that upstream here; `undefined` when it can.
   */
  constructor(
    layer: Layer,
    id: string,
    peer: Peer | undefined,
    listener: string,
    upstreamProblem: (name: string) => string | undefined,
  ) {
    this.layer = layer
    this.id = id
    this.clientIp = peer?.address ?? ''
    this.clientPort = peer?.port
    this.peerIp = peer?.proxied?.by ?? this.clientIp
    this.localPort = peer?.localPort ?? 0
    this.tls = peer?.tls
    this.listenerName = listener
    this.#upstreamProblem = upstreamProblem
  }

  upstreamProblem(name: string): string | undefined {
    return this.#upstreamProblem(name)
  }

  useUpstream(name: string): void {
    this.upstreamName = name
  }
}
