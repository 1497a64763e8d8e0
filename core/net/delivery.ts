import { readFile } from 'node:fs'
import type { Socket } from 'node:net'
import { endianness } from 'node:os'

/** How far what was written to a socket has come. */
export interface Delivery {
  /** Bytes that the other side has received since the connection began. Only differences have a meaning. */
  readonly taken: number
  /** Bytes written that the other side has not received. */
  readonly left: number
}

/**
 * Looks how far what was written to a socket has come; `done` is called later. A kernel holds up to 4 MB for a slow receiver,
 * and reports room only when a third of that is free: a receiver may be moving for a minute without any sign in the socket.
 * So on Linux the send queue of the kernel counts too. On other systems what the kernel has taken counts as received.
 */
export function deliveryOf(socket: Socket, done: (delivery: Delivery) => void): void {
  queueOf(socket, (queued) => {
    const { _bytesDispatched: dispatched = 0, _handle: handle } = socket as unknown as Internals
    const pending = handle?.writeQueueSize ?? 0
    done({ taken: dispatched - pending - queued, left: socket.writableLength + queued })
  })
}

/** What node offers no other way to see: bytes given to the handle, and those of them that the kernel has not taken. */
interface Internals {
  readonly _bytesDispatched?: number
  readonly _handle?: { readonly writeQueueSize?: number } | null
}

/** Least time between two readings of the kernel's tables, ms: they list every connection of the host. */
const shortestGap = 250

type Table = '/proc/self/net/tcp' | '/proc/self/net/tcp6'

interface Asked {
  readonly table: Table
  /** The addresses of the connection as the table spells them. */
  readonly key: string
  readonly done: (bytes: number) => void
}

let asked: Asked[] = []
let isReading = false

/** Bytes in the kernel's send queue of a connection, 0 where the kernel does not say. One reading serves all who ask. */
function queueOf(socket: Socket, done: (bytes: number) => void): void {
  const { localAddress, localPort, remoteAddress, remotePort } = socket
  if (process.platform !== 'linux' || localAddress === undefined || remoteAddress === undefined) {
    setImmediate(done, 0)
    return
  }
  const table = localAddress.includes(':') ? '/proc/self/net/tcp6' : '/proc/self/net/tcp'
  const key = `${spell(localAddress)}:${hex(localPort!, 4)} ${spell(remoteAddress)}:${hex(remotePort!, 4)}`
  asked.push({ table, key, done })
  if (isReading) return
  isReading = true
  void readAll()
}

async function readAll(): Promise<void> {
  while (asked.length > 0) {
    const now = asked
    asked = []
    for (const [table, ones] of Map.groupBy(now, (one) => one.table)) {
      const queues = await readTable(table, new Set(ones.map(({ key }) => key)))
      for (const { key, done } of ones) done(queues.get(key) ?? 0)
    }
    await new Promise((resolve) => setTimeout(resolve, shortestGap).unref())
  }
  isReading = false
}

/** The queues of the wanted connections. Lines are `12: 0100007F:1F90 0100007F:C350 01 00000A00:00000000 …`. */
function readTable(table: Table, wanted: ReadonlySet<string>): Promise<ReadonlyMap<string, number>> {
  const queues = new Map<string, number>()
  const length = table.endsWith('6') ? 75 : 27
  return new Promise((resolve) => {
    readFile(table, 'latin1', (_error, text = '') => {
      // The first line is the title.
      for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) {
        const from = text.indexOf(': ', at) + 2
        const key = text.slice(from, from + length)
        if (wanted.has(key)) queues.set(key, Number.parseInt(text.slice(from + length + 4, from + length + 12), 16))
      }
      resolve(queues)
    })
  })
}

/** An address as the kernel prints it: as 32-bit numbers in the byte order of the machine. */
function spell(address: string): string {
  const bytes = address.includes(':') ? bytesOf6(address) : address.split('.').map(Number)
  let text = ''
  for (let i = 0; i < bytes.length; i += 4) {
    const word = bytes.slice(i, i + 4)
    if (endianness() === 'LE') word.reverse()
    for (const byte of word) text += hex(byte, 2)
  }
  return text
}

function bytesOf6(address: string): number[] {
  const [plain = ''] = address.split('%')
  const dotted = plain.slice(plain.lastIndexOf(':') + 1)
  const [a = 0, b = 0, c = 0, d = 0] = dotted.includes('.') ? dotted.split('.').map(Number) : []
  const text = dotted.includes('.') ? plain.replace(dotted, `${hex(a * 256 + b, 4)}:${hex(c * 256 + d, 4)}`) : plain
  const [head = '', tail = ''] = text.split('::')
  const before = head.split(':').filter(Boolean)
  const after = tail.split(':').filter(Boolean)
  const groups = [...before, ...new Array<string>(8 - before.length - after.length).fill('0'), ...after]
  return groups.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff])
}

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0')
}
