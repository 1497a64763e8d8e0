/** A piece smaller than this is copied behind the one before it, bytes. */
const small = 4096

/**
 * Pieces of a body that have not been taken. Small ones are joined: a buffer for each would take a hundred times the memory of
 * what it holds, and a part of a read keeps the whole read in memory.
 */
export class PieceQueue {
  readonly #pieces: Buffer[] = []
  /** The last piece if small ones are being joined in it, with room behind. */
  #tail: Buffer | undefined
  #filled = 0
  /** Bytes. */
  length = 0

  /** @returns whether it was copied, so that its memory may be used again */
  push(piece: Buffer): boolean {
    this.length += piece.length
    if (piece.length >= small) {
      this.#close()
      this.#pieces.push(piece)
      return false
    }
    if (this.#tail !== undefined && this.#filled + piece.length > this.#tail.length) this.#close()
    this.#tail ??= Buffer.allocUnsafe(small)
    piece.copy(this.#tail, this.#filled)
    this.#filled += piece.length
    return true
  }

  shift(): Buffer | undefined {
    if (this.#pieces.length === 0) this.#close()
    const piece = this.#pieces.shift()
    if (piece !== undefined) this.length -= piece.length
    return piece
  }

  #close(): void {
    if (this.#tail !== undefined) this.#pieces.push(this.#tail.subarray(0, this.#filled))
    this.#tail = undefined
    this.#filled = 0
  }
}
