import type { Socket } from 'node:net'
import type { ForwardOwner, ForwardRequest } from '../upstream/forward.ts'
import type { Fields } from './fields.ts'

/** A request for a backend: what `forward` is given, and what it may be given besides. */
export interface ClientRequest extends ForwardRequest {
  /** What the connection is asked to become; a 101 without it is malformed. */
  readonly upgrade?: string | undefined
}

/** A `ForwardOwner` that wants to hear of more. What it leaves out is dropped; a 101 then ends in `UPE`. */
export interface ClientOwner extends ForwardOwner {
  /** An interim response: 102, 103; also 100, whoever asked for it. */
  onInterim?(status: number, fields: Fields): void
  /**
   * The backend agreed to the upgrade: the last call. The socket is the owner's: paused, without listeners, and with what
   * the backend sent ahead as its first data.
   */
  onUpgrade?(fields: Fields, socket: Socket): void
}
