import { randomBytes } from 'node:crypto'

/**
 * What the keys of session tickets are derived from, in all processes of a host. A process that has it can read TLS 1.2
 * connections that were resumed, and resume sessions of clients that have shown a certificate. So it is in memory and in
 * messages between processes, and in no file, log or answer.
 */
export interface TicketSecrets {
  /** New tickets are sealed with its keys. */
  readonly current: Uint8Array
  /** Tickets that were sealed before the last rotation still open with its keys; `undefined` before the first. */
  readonly previous: Uint8Array | undefined
}

/** Time between two rotations, ms. A ticket opens for at least as long, and for at most twice as long. */
const day = 24 * 60 * 60 * 1000

/**
 * Makes the secrets of session tickets and replaces them every day. There is one per host, in the supervisor, so that a session
 * of one worker can be resumed in every other, and after the death of the one that began it.
 */
export class TicketRotation {
  #secrets: TicketSecrets = { current: randomBytes(64), previous: undefined }
  readonly #timer: NodeJS.Timeout

  /** @param onRotated called with the new secrets after each rotation. */
  constructor(onRotated: (secrets: TicketSecrets) => void) {
    this.#timer = setInterval(() => {
      this.#secrets = { current: randomBytes(64), previous: this.#secrets.current }
      onRotated(this.#secrets)
    }, day).unref()
  }

  get secrets(): TicketSecrets {
    return this.#secrets
  }

  close(): void {
    clearInterval(this.#timer)
  }
}
