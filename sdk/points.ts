/** Layer of a flow: on L4 the gateway forwards connections, on L7 requests. */
export type Layer = 'L4' | 'L7'

/**
 * *first*: the first policy that returns a result (a reply, a backend, a health) ends the hook. *reduce*: each policy
 * passes its result on to the next one. *observe*: results are ignored.
 */
export type HookKind = 'first' | 'reduce' | 'observe'

export interface HookPoint {
  /** `upstream`: the hook belongs to no flow; it runs for the policies of an upstream, on both layers. */
  readonly layers: readonly (Layer | 'upstream')[]
  readonly kind: HookKind
  /** True when the policies run in reverse order, as for responses. */
  readonly reversed: boolean
  /** True when the plugin's code may `await` a grant. For the gateway itself every hook is asynchronous. */
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

/** The hook table. README.md shows it, and a test compares the two. */
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
