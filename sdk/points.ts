/** On which layer a flow runs: L4 forwards a connection, L7 a request. */
export type Layer = 'L4' | 'L7'

/**
 * *first*: the first reply (or backend) ends the hook; *reduce*: each passes its result on; *observe*: no result.
 */
export type HookKind = 'first' | 'reduce' | 'observe'

export interface HookPoint {
  /** `upstream`: it belongs to no flow and runs for the policies of an upstream, of either layer. */
  readonly layers: readonly (Layer | 'upstream')[]
  readonly kind: HookKind
  /** Runs the chain backwards: responses walk back up. */
  readonly reversed: boolean
  /** Whether the plugin's code may `await` a grant. For the flow every hook is asynchronous. */
  readonly mayAwait: boolean
}

export type HookName =
  | 'onConnect'
  | 'onRequest'
  | 'onRequestBody'
  | 'selectBackend'
  | 'onResponse'
  | 'onResponseBody'
  | 'checkHealth'
  | 'onClose'
  | 'onDisconnect'

/** The hook table; README.md prints it and a test keeps the two the same. */
export const points: Readonly<Record<HookName, HookPoint>> = {
  onConnect: { layers: ['L4', 'L7'], kind: 'first', reversed: false, mayAwait: true },
  onRequest: { layers: ['L7'], kind: 'first', reversed: false, mayAwait: true },
  onRequestBody: { layers: ['L7'], kind: 'reduce', reversed: false, mayAwait: true },
  selectBackend: { layers: ['L4', 'L7'], kind: 'first', reversed: false, mayAwait: false },
  onResponse: { layers: ['L7'], kind: 'reduce', reversed: true, mayAwait: true },
  onResponseBody: { layers: ['L7'], kind: 'reduce', reversed: true, mayAwait: true },
  checkHealth: { layers: ['upstream'], kind: 'first', reversed: false, mayAwait: true },
  onClose: { layers: ['L4', 'L7'], kind: 'observe', reversed: false, mayAwait: false },
  onDisconnect: { layers: ['L7'], kind: 'observe', reversed: false, mayAwait: false },
}

export const hookNames: readonly HookName[] = Object.keys(points) as HookName[]
