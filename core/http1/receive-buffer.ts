const nothing = Buffer.alloc(0)

/** What has arrived on a connection and is not read yet. Chunks are kept as they come; only a rest is ever copied. */
export class ReceiveBuffer {
  bytes: Buffer = nothing
  /** Everything before it has been read. */
  at = 0
  #searched = 0

  get length(): number {
    return this.bytes.length - this.at
  }

  push(chunk: Buffer): void {
    if (this.at === this.bytes.length) {
      this.bytes = chunk
      this.#searched = 0
    } else {
      this.bytes = Buffer.concat([this.bytes.subarray(this.at), chunk])
      this.#searched -= this.at
    }
    this.at = 0
  }

  /** Where the CRLF of the last line of a head ends, that is, the empty line begins; -1 while it has not arrived. */
  findHead(): number {
    // The end may be split: three of its four bytes may have been searched before.
    const found = this.bytes.indexOf('\r\n\r\n', Math.max(this.at, this.#searched - 3), 'latin1')
    if (found !== -1) return found + 2
    this.#searched = this.bytes.length
    return -1
  }

  /** Whether a line ends in LF alone, so that the empty line of a head may never come. */
  get hasBareLineFeed(): boolean {
    const { bytes, at } = this
    for (let i = bytes.indexOf(0x0a, at); i !== -1; i = bytes.indexOf(0x0a, i + 1)) {
      if (i === at || bytes[i - 1] !== 0x0d) return true
    }
    return false
  }

  /** Lets go of the memory. */
  release(): void {
    this.bytes = nothing
    this.at = 0
    this.#searched = 0
  }
}
