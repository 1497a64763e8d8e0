import type { OnReadOpts, Socket } from 'node:net'
import { beginRead, endRead } from './after-read.ts'
import { bulk, common, giveMemory, size, takeMemory } from './spare-memory.ts'

const readers = new WeakMap<Socket, SocketReader>()

/**
 * Has a socket read into memory that is there already. As a stream it is given new memory for each read, and gathering
 * that as garbage is half of what receiving a small message costs: 2 to 5 µs of 11 to 16, reading and writing together.
 *
 * A socket that fills the common memory reads into some of its own until a read does not fill it, so that an idle one holds
 * none. What is in there is lent without a copy; when someone keeps a part of it, it is the collector's.
 */
export class SocketReader {
  /** For `net.connect` and `new Socket`. */
  readonly onread: OnReadOpts
  /** Without one the socket is a stream like others. */
  taker: ByteTaker | undefined
  #socket: Socket | undefined
  /** What the next read goes to. */
  #next: Buffer = common

  constructor() {
    this.onread = { buffer: () => this.#next, callback: (count, memory) => this.#take(count, memory as Buffer) }
  }

  /** The socket that was made with its options. */
  bind(socket: Socket): void {
    this.#socket = socket
    readers.set(socket, this)
  }

  #take(count: number, memory: Buffer): boolean {
    // Until it is known to be nobody's again.
    this.#next = common
    if (this.taker === undefined) return this.#push(count, memory)
    beginRead()
    try {
      if (memory !== common) this.#lend(this.taker, count, memory)
      else if (count > bulk) this.#lend(this.taker, count, copyOfCommon(count))
      else this.taker.onBytes(beginning(count), true)
    } finally {
      endRead()
    }
    return true
  }

  /** Into the stream, whose readers keep what they get. */
  #push(count: number, memory: Buffer): boolean {
    if (count === size) this.#next = takeMemory()
    const bytes = memory.subarray(0, count)
    return this.#socket!.push(memory === common ? Buffer.from(bytes) : bytes)
  }

  #lend(taker: ByteTaker, count: number, memory: Buffer): void {
    const isFree = taker.onBytes(count === size ? memory : memory.subarray(0, count), false)
    if (!isFree) return
    if (count === size) this.#next = memory
    else giveMemory(memory)
  }
}

function copyOfCommon(count: number): Buffer {
  const memory = takeMemory()
  common.copy(memory, 0, 0, count)
  return memory
}

/** Beginnings of the common memory, by length: making one takes as long as finding a head in it. */
const beginnings: (Buffer | undefined)[] = new Array<Buffer | undefined>(4096).fill(undefined)

function beginning(length: number): Buffer {
  if (length >= beginnings.length) return common.subarray(0, length)
  const made = beginnings[length] ?? common.subarray(0, length)
  beginnings[length] = made
  return made
}

/** What arrives on the socket goes to the taker, and no longer through the socket as a stream. */
export function takeBytes(socket: Socket, taker: ByteTaker): void {
  const reader = readers.get(socket)
  if (reader === undefined) socket.on('data', (bytes: Buffer) => taker.onBytes(bytes, false))
  else {
    reader.taker = taker
    socket.resume()
  }
}

/** The socket becomes a stream again, paused and without listeners for data. */
export function leaveBytes(socket: Socket): void {
  const reader = readers.get(socket)
  if (reader === undefined) socket.removeAllListeners('data')
  else reader.taker = undefined
  socket.pause()
}

/** Who takes what arrives on a socket. */
export interface ByteTaker {
  /**
   * @param borrowed whether the bytes are others' when this returns, so that what is to stay has to be copied
   * @returns whether nobody looks at the bytes any more. Only then is memory read into again that was not borrowed.
   */
  onBytes(bytes: Buffer, borrowed: boolean): boolean
}
