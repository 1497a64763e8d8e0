import { createHmac, randomBytes } from 'node:crypto'
import type { SecureContext } from 'node:tls'
import type { TicketSecrets } from './ticket-rotation.ts'

/** The keys of one generation in one scope. */
interface TicketKey {
  /** Stands in front of the ticket, unencrypted. */
  readonly name: Buffer
  readonly aes: Buffer
  readonly hmac: Buffer
}

/** What a callback answers: how the ticket is to be treated, the keys, and for a new ticket the name and the vector. */
type Answer = [treatment: number, hmac: Buffer, aes: Buffer, name?: Buffer, vector?: Buffer]

/** What OpenSSL is to do with a ticket: make a full handshake; open it; open it and send another one; seal it. */
const treatments = { ignore: 0, use: 1, renew: 2, seal: 1 } as const

/** The handle of a context. Node keeps this callback for a test of its own; with `setTicketKeys` a context has only one key. */
interface ContextHandle {
  enableTicketKeyCallback?(): void
  onticketkeycallback?: (name: Buffer, vector: Buffer, isNew: boolean) => Answer
}

/** The keys of session tickets in one process, which the contexts of its listeners use. */
export class TicketKeys {
  // Of its own until it is told others, so that no ticket is ever sealed with keys that are known.
  #secrets: TicketSecrets = { current: randomBytes(64), previous: undefined }

  /** Contexts use these from now on, those under way too. */
  adopt(secrets: TicketSecrets): void {
    this.#secrets = secrets
  }

  /**
   * Makes a context seal its tickets with these keys, and open those of every process that has the same.
   *
   * @param scope contexts open each other's tickets only within the same scope: the listener and its rules for client
   *   certificates. A session that began under other rules would bring along a client that these rules have not seen
   *   (CVE-2025-23419).
   * @param isRenewed whether a client that resumes gets another ticket: clients use each one only once, and those of TLS 1.3
   *   do not tell that they come back (RFC 8446 §C.4). The time of such a chain is not bounded, so it is not for clients of
   *   which a certificate was verified at its beginning. Default: true.
   */
  apply({ context }: SecureContext, scope: string, isRenewed: boolean = true): void {
    const handle = context as ContextHandle
    // A Node without it resumes sessions only in the process in which they began, as Node does by itself.
    if (handle.enableTicketKeyCallback === undefined) return
    handle.onticketkeycallback = this.#answers(scope, isRenewed ? treatments.renew : treatments.use)
    handle.enableTicketKeyCallback()
  }

  #answers(scope: string, opened: number): NonNullable<ContextHandle['onticketkeycallback']> {
    let derivedFrom = this.#secrets
    let { current, previous } = derive(derivedFrom, scope)
    return (name, _vector, isNew) => {
      if (derivedFrom !== this.#secrets) {
        derivedFrom = this.#secrets
        ;({ current, previous } = derive(derivedFrom, scope))
      }
      if (isNew) return [treatments.seal, current.hmac, current.aes, current.name, nextVector()]
      if (current.name.equals(name)) return [opened, current.hmac, current.aes]
      if (previous?.name.equals(name)) return [opened, previous.hmac, previous.aes]
      // Node reads the keys of this answer too, and would end the process without them.
      return [treatments.ignore, current.hmac, current.aes]
    }
  }
}

/** Random bytes that are made together: for one ticket at a time they would cost more than the rest of the callback. */
let vectors = Buffer.alloc(0)

function nextVector(): Buffer {
  if (vectors.length === 0) vectors = randomBytes(4096)
  const vector = vectors.subarray(0, 16)
  vectors = vectors.subarray(16)
  return vector
}

function derive({ current, previous }: TicketSecrets, scope: string): { current: TicketKey; previous?: TicketKey } {
  return { current: keyOf(current, scope), ...(previous !== undefined && { previous: keyOf(previous, scope) }) }
}

function keyOf(secret: Uint8Array, scope: string): TicketKey {
  const bytes = createHmac('sha512', secret).update(scope).digest()
  return { name: bytes.subarray(0, 16), aes: bytes.subarray(16, 32), hmac: bytes.subarray(32) }
}
