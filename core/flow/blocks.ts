/** A piece of this size or more stays as it is; it holds on to memory of at most four times its size. Bytes. */
const large = 16 * 1024

/** Most bytes that are joined. */
const most = 64 * 1024

const nothing = new Uint8Array(0)

/** Bytes that wait, in few blocks, whatever pieces they came in: the memory of a piece can be much larger than the piece. */
export class Blocks {
  size = 0
  #list: Uint8Array[] = []
  /** Memory of the last block, when there is room behind it. */
  #open: Buffer | undefined

  /** Returns whether the piece was copied; otherwise it is kept. */
  add(piece: Uint8Array): boolean {
    this.size += piece.length
    if (piece.length >= large) {
      this.#list.push(piece)
      this.#open = undefined
      return false
    }
    const last = this.#list.length - 1
    const filled = this.#open === undefined ? 0 : this.#list[last]!.length
    const room = this.#open === undefined ? 0 : this.#open.length - filled
    if (room > 0) {
      const count = Math.min(room, piece.length)
      this.#open!.set(piece.subarray(0, count), filled)
      this.#list[last] = this.#open!.subarray(0, filled + count)
      if (count < piece.length) this.#begin(piece.subarray(count))
    } else if (piece.length > 0) this.#begin(piece)
    return true
  }

  /** A new block, as large as all that waits. */
  #begin(piece: Uint8Array): void {
    this.#open = Buffer.allocUnsafe(Math.min(most, Math.max(piece.length, this.size)))
    this.#open.set(piece)
    this.#list.push(this.#open.subarray(0, piece.length))
  }

  /** Takes what came first: one block, or several that have no more than 64 KB together. `undefined`: nothing waits. */
  take(): Uint8Array | undefined {
    let count = 0
    let length = 0
    for (const block of this.#list) {
      if (count > 0 && length + block.length > most) break
      length += block.length
      count++
    }
    if (count === 0) return undefined
    const taken = this.#list.splice(0, count)
    this.size -= length
    if (this.#list.length === 0) this.#open = undefined
    return count === 1 ? taken[0] : Buffer.concat(taken, length)
  }

  /** The first `count` bytes of what waits, or all of it. */
  peek(count: number): Uint8Array {
    if (this.#list.length > 1) {
      this.#list = [Buffer.concat(this.#list, this.size)]
      this.#open = undefined
    }
    const all = this.#list[0] ?? nothing
    return all.length <= count ? all : all.subarray(0, count)
  }

  /** Drops everything, and keeps these bytes instead. */
  replace(bytes: Uint8Array): void {
    this.#list = bytes.length === 0 ? [] : [bytes]
    this.#open = undefined
    this.size = bytes.length
  }
}
