import type { Reply } from '../../sdk/reply.ts'
import type { PosternError } from '../errors.ts'
import type { Policy } from '../hooks/policy.ts'

/** Why a policy does not want a connection. */
export interface Refusal {
  readonly result: Reply | PosternError
  readonly policy: Policy | undefined
}

/** A connection on its way through the TLS handshake, for the policies that decide about it. */
export interface Visit {
  /** The protocols that its route asks for, the first one preferred; the handshake agrees on one of them (ALPN). */
  readonly protocols?: readonly string[] | undefined
  /** Asks the policies that need no handshake: those before the first one that does. Without a refusal, the handshake may begin. */
  askEarly(done: (refusal: Refusal | undefined) => void): void
  /** It has ended, if that is not known yet. */
  end(): void
}
