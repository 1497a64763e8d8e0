import { readFile } from 'node:fs'
import { endianness } from 'node:os'
import type { ByteStream } from './byte-stream.ts'

/** How far what was written to a connection has come. */
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
 *
 * @param given bytes that the kernel has taken since the connection began
 */
export function deliveryOf(socket: ByteStream, given: number, done: (delivery: Delivery) => void): void {
  queueOf(socket, (queued) => done({ taken: given - queued, left: socket.unsent + queued }))
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
function queueOf(socket: ByteStream, done: (bytes: number) => void): void {
  const [local, remote] = process.platform === 'linux' ? [socket.local(), socket.remote()] : []
  if (local === undefined || remote === undefined) {
    setImmediate(done, 0)
    return
  }
  const table = local.address.includes(':') ? '/proc/self/net/tcp6' : '/proc/self/net/tcp'
  const key = `${spell(local.address)}:${hex(local.port, 4)} ${spell(remote.address)}:${hex(remote.port, 4)}`
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
