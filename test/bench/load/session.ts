import { connect } from 'node:net'
import type { Load } from './load.ts'

/** Types and flags of frames (RFC 9113 §6). */
const DATA = 0
const HEADERS = 1
const SETTINGS = 4
const PING = 6
const END_STREAM = 1
const ACK = 1
const END_HEADERS = 4

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

/**
 * Opens a connection of HTTP/2 with `load.streams` requests on it, and stays. With a body the requests do not end: they
 * count as answered when the head of the answer has come, others when the answer has ended.
 *
 * @param onSettled once: whether all of them have an answer; `false` if the connection ends before.
 */
export function openSession(load: Load, onSettled: (stands: boolean) => void): void {
  const { port, streams = 1, body } = load
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  let missing = streams
  let pending: Buffer = Buffer.alloc(0)
  const settle = (stands: boolean): void => {
    if (missing < 0) return
    missing = -1
    onSettled(stands)
  }
  const judge = (type: number, flags: number, payload: Buffer): void => {
    if ((type === SETTINGS || type === PING) && (flags & ACK) === 0) {
      socket.write(frame(type, ACK, 0, type === PING ? payload : Buffer.alloc(0)))
    }
    const isAnswer = body === undefined ? type <= HEADERS && (flags & END_STREAM) !== 0 : type === HEADERS
    if (isAnswer && --missing === 0) settle(true)
  }
  socket.on('data', (chunk: Buffer) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    while (pending.length >= 9 && pending.length >= 9 + pending.readUIntBE(0, 3)) {
      const end = 9 + pending.readUIntBE(0, 3)
      judge(pending[3]!, pending[4]!, pending.subarray(9, end))
      pending = pending.subarray(end)
    }
  })
  socket.on('error', () => {})
  socket.on('close', () => settle(false))
  socket.write(Buffer.concat([preface, frame(SETTINGS, 0, 0, Buffer.alloc(0)), ...requestsOn(load)]))
}

/** HEADERS of the odd streams from 1, and DATA behind each where there is a body. */
function requestsOn({ port, path, headers, streams = 1, body }: Load): Buffer[] {
  const method = body === undefined ? 'GET' : 'POST'
  const authority = `127.0.0.1:${port}`
  const fields = { ':method': method, ':scheme': 'http', ':path': path, ':authority': authority, ...headers }
  const block = Buffer.concat(Object.entries(fields).map(([name, value]) => literal(name, value)))
  return Array.from({ length: streams }, (_, index) => {
    const id = index * 2 + 1
    if (body === undefined) return [frame(HEADERS, END_HEADERS | END_STREAM, id, block)]
    return [frame(HEADERS, END_HEADERS, id, block), frame(DATA, 0, id, Buffer.from(body, 'hex'))]
  }).flat()
}

/** A field that enters no table, its name and value as they are (RFC 7541 §6.2.2): of less than 127 bytes each. */
function literal(name: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value),
  ])
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}
