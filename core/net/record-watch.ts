/** A TLS connection, as seen by the watch. */
export interface WatchedRecords {
  /** Bytes read so far, as they were on the wire. */
  readonly wireBytes: number
  /** Bytes read so far, decrypted. */
  readonly plainBytes: number
  /** Too much was read that had next to no content. */
  onEmptyRecords(): void
}

/** How often the watch looks whether the process keeps up, ms. */
const interval = 100
/** From so much delay on, ms, something has kept the process busy that may be a connection. */
const late = 250
/** Wire bytes without content that a connection may send. */
const allowed = 128 * 1024
/** Wire bytes for each byte of content from which on the records count as empty. One byte in a record of its own takes 23. */
const overhead = 32

interface Seen {
  wire: number
  plain: number
}

/**
 * Ends TLS connections that keep the process busy with records that carry nothing, such as key updates (RFC 8446 §4.6.3):
 * OpenSSL bounds neither their number nor how many it processes at once, and each costs as much as a small request but 27 bytes.
 * Node tells nothing of them, so this looks at the counters of all connections, and only when the process has come late.
 */
export class RecordWatch {
  readonly #connections = new Map<WatchedRecords, Seen>()
  #timer: NodeJS.Timeout | undefined
  #last = 0

  add(connection: WatchedRecords): void {
    this.#connections.set(connection, { wire: connection.wireBytes, plain: connection.plainBytes })
    if (this.#timer !== undefined) return
    this.#last = performance.now()
    this.#timer = setInterval(() => this.#tick(), interval).unref()
  }

  delete(connection: WatchedRecords): void {
    this.#connections.delete(connection)
    if (this.#connections.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #tick(): void {
    const now = performance.now()
    const isLate = now - this.#last > interval + late
    this.#last = now
    if (isLate) this.look()
  }

  /** Ends those that have sent next to nothing but empty records for too long. */
  look(): void {
    for (const [connection, seen] of this.#connections) {
      const { wireBytes, plainBytes } = connection
      const wire = wireBytes - seen.wire
      const isEmpty = wire > (plainBytes - seen.plain) * overhead
      // It is added to what comes until the next look.
      if (isEmpty && wire <= allowed) continue
      seen.wire = wireBytes
      seen.plain = plainBytes
      if (isEmpty) connection.onEmptyRecords()
    }
  }
}

/** That of this process. */
export const records: RecordWatch = new RecordWatch()
