import { expect, test } from 'vitest'
import { CONSUMED } from '../../core/http/exchange.ts'
import type { Http2Stream } from '../../core/http2/stream.ts'
import { TunnelStream } from '../../core/http2/tunnel-stream.ts'
import type { ByteReceiver } from '../../core/net/byte-stream.ts'

/** A stream of which only the calls are of interest. */
class Calls {
  readonly said: string[] = []
  readonly connection = { transport: { isTls: false } }
  isFlushed = true
  unsent = 0

  sendData(bytes: Uint8Array): boolean {
    this.said.push(`data ${Buffer.from(bytes).toString('latin1')}`)
    return this.isFlushed
  }
  sendEnd(): void {
    this.said.push('end')
  }
  reset(code: number): void {
    this.said.push(`reset ${code}`)
  }
  pause(): void {
    this.said.push('pause')
  }
  resume(): void {
    this.said.push('resume')
  }
}

function made(): { calls: Calls; tunnel: TunnelStream; told: string[] } {
  const calls = new Calls()
  const tunnel = new TunnelStream(calls as unknown as Http2Stream)
  const told: string[] = []
  const receiver: ByteReceiver = {
    onBytes: (bytes, borrowed) => told.push(`bytes ${bytes.toString('latin1')} ${borrowed}`) > 0,
    onEnd: () => void told.push('end'),
    onDrain: () => void told.push('drain'),
    onError: ({ code }) => void told.push(`error ${code}`),
    onClose: () => void told.push('close'),
  }
  tunnel.start(receiver)
  return { calls, tunnel, told }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('carries bytes both ways, and ends when both sides have ended and all is with the kernel', async () => {
  const { calls, tunnel, told } = made()
  await turn()
  expect(tunnel.onData(Buffer.from('a'))).toBe(CONSUMED)
  tunnel.writeBoth('b', Buffer.from('c'))
  tunnel.writeBorrowed(Buffer.from('d'))
  tunnel.end()
  tunnel.write(Buffer.from('late'))
  tunnel.onEndStream()
  expect(tunnel.isOpen).toBe(true)
  tunnel.onFlushed()
  expect([tunnel.isOpen, tunnel.isFinished]).toEqual([false, true])
  await turn()
  tunnel.destroy()
  await turn()
  expect(calls.said).toEqual(['resume', 'data b', 'data c', 'data d', 'end'])
  expect(told).toEqual(['bytes a true', 'end', 'close'])
})

test('holds what arrives before there is a receiver', async () => {
  const tunnel = new TunnelStream(new Calls() as unknown as Http2Stream)
  tunnel.onData(Buffer.from('ahead'))
  tunnel.onEndStream()
  const told: string[] = []
  const note = (text: string) => (): void => void told.push(text)
  const rest = { onEnd: note('end'), onDrain: note('drain'), onError: note('error'), onClose: note('close') }
  tunnel.start({ onBytes: (bytes) => told.push(bytes.toString()) > 0, ...rest })
  expect(told).toEqual([])
  await turn()
  expect(told).toEqual(['ahead', 'end'])
})

test('a reset of the other side is a failure', async () => {
  const { tunnel, told, calls } = made()
  tunnel.onReset(undefined)
  await turn()
  tunnel.destroy()
  tunnel.end()
  await turn()
  expect(told).toEqual(['error ECONNRESET', 'close'])
  expect([calls.said, tunnel.isFinished]).toEqual([[], false])
})

test.each(['reset', 'destroy'] as const)('%s resets the stream, and the close is told later', async (method) => {
  const { calls, tunnel, told } = made()
  tunnel[method]()
  tunnel[method]()
  expect(told).toEqual([])
  await turn()
  expect([calls.said, told]).toEqual([['reset 8'], ['close']])
})

test('tells of the drain once, when it was asked for', async () => {
  const { calls, tunnel, told } = made()
  tunnel.onWritable()
  calls.isFlushed = false
  calls.unsent = 70_000
  expect(tunnel.unsent).toBe(70_000)
  tunnel.askDrain()
  await turn()
  expect(told).toEqual([])
  calls.unsent = 0
  expect(tunnel.unsent).toBe(1)
  tunnel.onWritable()
  tunnel.onWritable()
  expect(told).toEqual(['drain'])
  calls.isFlushed = true
  tunnel.askDrain()
  await turn()
  expect(told).toEqual(['drain', 'drain'])
})
