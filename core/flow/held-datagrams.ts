/** Most datagrams, and bytes, that one session holds. */
const most = 16
const mostBytes = 65_536

/** Most bytes that all sessions of this process hold together. */
const mostOfAll = 16 * 1024 * 1024

let ofAll = 0

/** Datagrams of a client whose session has no backend yet; what is too much is dropped, as it would be on the way. */
export class HeldDatagrams {
  #list: Buffer[] = []
  #bytes = 0

  push(bytes: Buffer): void {
    const { length } = bytes
    if (this.#list.length >= most || this.#bytes + length > mostBytes || ofAll + length > mostOfAll) return
    this.#list.push(bytes)
    this.#bytes += length
    ofAll += length
  }

  /** All of them, in order; it is empty afterwards. */
  take(): readonly Buffer[] {
    const list = this.#list
    ofAll -= this.#bytes
    this.#list = []
    this.#bytes = 0
    return list
  }
}
