import { PosternError } from '../errors.ts'
import { flowId } from '../flow/flow-id.ts'
import type { Peer } from '../net/peer.ts'
import type { Tap } from '../telemetry/tap.ts'
import type { HandshakeFailure } from '../tls/arrival.ts'

/** The listener of a connection. */
interface Named {
  readonly plan: { readonly name: string; readonly config: { readonly tls?: unknown } }
}

/**
 * Has it recorded that a connection ended before its flow.
 *
 * @param since when it was accepted, by `performance.now`
 * @returns the identifier of the record
 */
export function recordArrival(
  { plan }: Named,
  tap: Tap,
  peer: Peer,
  since: number,
  { code, problem, alert, plugin }: HandshakeFailure,
): string {
  const id = flowId()
  tap.tell({
    kind: 'handshake',
    msg: plan.config.tls === undefined ? 'connection' : 'handshake',
    id,
    listener: plan.name,
    client: peer.address,
    port: peer.port,
    serverName: peer.tls?.serverName,
    alert,
    ms: performance.now() - since,
    error: new PosternError(code, problem, { plugin }),
  })
  return id
}
