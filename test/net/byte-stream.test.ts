import { Duplex } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { ByteStream } from '../../core/net/byte-stream.ts'
import type { Delivery } from '../../core/net/delivery.ts'
import { DuplexStream } from '../../core/net/duplex-stream.ts'
import { areRawSocketsUsable } from '../../core/net/raw-check.ts'
import { kinds, pair, until } from '../upstream/sockets.ts'
import { Notes } from './notes.ts'

test.runIf(kinds.includes('raw'))(
  'a receiver that throws breaks its connection, not the process, and is reported',
  async () => {
    const warnings: string[] = []
    const warned = (warning: Error): void => void warnings.push(warning.message)
    process.on('warning', warned)
    onTestFinished(() => void process.off('warning', warned))
    for (const where of ['bytes', 'end', 'drain'] as const) {
      const [near, far] = await pair('raw')
      const notes = new Notes()
      const fail = (): never => {
        throw new Error(`no luck with ${where}`)
      }
      if (where === 'bytes') notes.onBytes = fail
      if (where === 'end') notes.onEnd = fail
      if (where === 'drain') notes.onDrain = fail
      near.start(notes)
      let code: string | undefined
      far.on('error', (error: NodeJS.ErrnoException) => {
        code = error.code
      })
      while (where === 'drain' && near.unsent === 0) near.write(Buffer.alloc(256 * 1024))
      if (where === 'drain') near.askDrain()
      far.resume()
      if (where === 'end') far.end()
      else far.write('x')
      await until(() => notes.events.includes('close') && code !== undefined)
      expect([code, notes.events]).toEqual(['ECONNRESET', [`no luck with ${where}`, 'close']])
      await until(() => warnings.length > 0)
      expect(warnings.splice(0)).toEqual([`no luck with ${where}`])
    }
  },
)

describe.each(kinds)('a stream of the kind %s', (kind) => {
  /** Node resets no TLS socket of its own, and a failed write closes it. */
  const isSlowTls = kind.startsWith('tls') && !areRawSocketsUsable()

  async function open() {
    const [near, far] = await pair(kind)
    far.on('error', () => {})
    onTestFinished(() => {
      near.destroy()
      far.destroy()
    })
    return { near, far }
  }

  test('bytes that one receiver gives back come first to the next one, and the end after them', async () => {
    const { near, far } = await open()
    const first = new Notes((text) => {
      near.leave()
      near.giveBack(Buffer.from(text))
    })
    near.start(first)
    far.end('hello world')
    await until(() => first.text !== '')
    const second = new Notes()
    near.start(second)
    await until(() => second.events.length > 0)
    expect([second.text, second.events]).toEqual(['hello world', ['end']])
  })

  test('a receiver that starts after the end is told of it, and one that starts after a failure of that', async () => {
    const { near, far } = await open()
    const first = new Notes()
    near.start(first)
    far.end()
    await until(() => near.hasEnded)
    near.leave()
    const second = new Notes()
    near.start(second)
    await until(() => second.events.length > 0)
    far.resetAndDestroy()
    near.destroy()
    await until(() => second.events.includes('close'))
    const third = new Notes()
    near.start(third)
    await until(() => third.events.includes('close'))
    expect([first.events, second.events, third.events]).toEqual([['end'], ['end', 'close'], ['close']])
  })

  test('a pause holds back bytes and end, not what the other side does with the answer', async () => {
    const { near, far } = await open()
    const notes = new Notes()
    near.start(notes)
    near.pause()
    far.end('late')
    near.writeText('answer')
    far.resume()
    await new Promise((resolve) => far.once('data', resolve))
    expect([notes.text, notes.events]).toEqual(['', []])
    near.resume()
    await until(() => notes.events.length > 0)
    expect([notes.text, notes.events]).toEqual(['late', ['end']])
  })

  test('a write that fails at once is known at once', async () => {
    const { near, far } = await open()
    const notes = new Notes()
    near.start(notes)
    expect(near.hasFailed).toBe(false)
    far.resetAndDestroy()
    // The reset has not been read yet.
    near.writeText('lost')
    expect([near.hasFailed, near.unsent, notes.events]).toEqual([true, 0, []])
    await until(() => notes.events.length > 0)
  })

  test('what is written arrives in order, whatever waits in between', async () => {
    const { near, far } = await open()
    near.start(new Notes())
    const expected: string[] = []
    let received = ''
    const borrowed = Buffer.alloc(100)
    for (let i = 0; i < 300; i++) {
      const text = String.fromCharCode(33 + (i % 90))
      const bulk = Buffer.alloc(40_000, text)
      near.writeText(`${text}é`)
      near.write(bulk)
      near.writeBoth('both', Buffer.from(text))
      near.writeBorrowed(borrowed.fill(text))
      borrowed.fill(0)
      expected.push(`${text}é`, bulk.toString('latin1'), 'both', text, text.repeat(100))
    }
    expect(near.unsent).toBeGreaterThan(0)
    near.end()
    far.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1')
    })
    far.resume()
    await new Promise((resolve) => far.once('end', resolve))
    expect(received === expected.join('')).toBe(true)
  })

  test('askDrain tells once, when everything is with the kernel', async () => {
    const { near, far } = await open()
    const notes = new Notes()
    near.start(notes)
    while (near.unsent < 1024 * 1024) near.write(Buffer.alloc(256 * 1024))
    near.askDrain()
    near.askDrain()
    near.write(Buffer.alloc(1024 * 1024))
    expect(notes.events).toEqual([])
    far.resume()
    await until(() => notes.events.length > 0)
    expect(near.unsent).toBe(0)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(notes.events).toEqual(['drain'])
  })

  test('both ends close it, whichever comes first', async () => {
    for (const first of ['near', 'far'] as const) {
      const { near, far } = await open()
      const notes = new Notes()
      near.start(notes)
      far.resume()
      if (first === 'near') {
        near.end()
        await new Promise((resolve) => far.once('end', resolve))
        expect(near.isOpen).toBe(true)
        far.end()
      } else {
        far.end()
        await until(() => near.hasEnded)
        near.writeText('still')
        near.end()
      }
      await until(() => notes.events.includes('close'))
      expect([notes.events, near.isOpen, near.isFinished]).toEqual([['end', 'close'], false, true])
      await until(() => far.closed)
    }
  })

  test.skipIf(isSlowTls)('a reset breaks the other side, also when an end is on its way', async () => {
    for (const prepare of [
      (near: ByteStream) => near.writeText('half'),
      (near: ByteStream) => near.write(Buffer.alloc(16 * 1024 * 1024)),
    ]) {
      const { near, far } = await open()
      const notes = new Notes()
      near.start(notes)
      prepare(near)
      let code: string | undefined
      far.on('error', (error: NodeJS.ErrnoException) => {
        code = error.code
      })
      near.reset()
      near.writeText('dropped')
      far.resume()
      await until(() => code !== undefined && notes.events.length > 0)
      expect([code, notes.events, near.isFinished]).toEqual(['ECONNRESET', ['close'], false])
    }
    const { near } = await open()
    const notes = new Notes()
    near.start(notes)
    near.end()
    near.reset()
    await until(() => notes.events.includes('close'))
  })

  test('how far its bytes have come is a number, also once it is closed', async () => {
    const { near } = await open()
    const notes = new Notes()
    near.start(notes)
    near.write(Buffer.alloc(16 * 1024 * 1024))
    near.destroy()
    await until(() => notes.events.includes('close'))
    const { taken, left } = await new Promise<Delivery>((resolve) => near.delivery(resolve))
    expect([Number.isFinite(taken), left]).toEqual([true, 0])
  })

  test('a reset by the other side is an error and closes it', async () => {
    const { near, far } = await open()
    const notes = new Notes()
    near.start(notes)
    far.resetAndDestroy()
    await until(() => notes.events.includes('close'))
    expect(notes.events).toEqual(['read ECONNRESET', 'close'])
  })

  test.skipIf(isSlowTls)(
    'what the other side sent before it closed is read after a failed write, which does not close',
    async () => {
      const { near, far } = await open()
      const notes = new Notes()
      near.start(notes)
      near.pause()
      far.write('the answer')
      // Bytes that it has not read make its close a reset.
      near.writeText('unread')
      await new Promise((resolve) => setTimeout(resolve, 20))
      far.destroy()
      await until(() => far.closed)
      while (notes.events.length === 0) {
        near.writeText('more')
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      expect(notes.events[0]).toMatch(/^write E(PIPE|CONNRESET)$/)
      expect(near.isOpen).toBe(true)
      near.destroy()
      await until(() => notes.events.includes('close'))
    },
  )
})

test.each([0, 1, 2, 3, 4, 5, 6])(
  'both sides have ended: the receiver is told of the end, paused %i ticks after it',
  async (ticks) => {
    const inner = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
    const stream = new DuplexStream(inner)
    const notes = new Notes()
    stream.start(notes)
    stream.end()
    await new Promise((resolve) => setImmediate(resolve))
    inner.push(null)
    for (let i = 0; i < ticks; i++) await new Promise<void>((resolve) => process.nextTick(resolve))
    stream.pause()
    await new Promise((resolve) => setImmediate(resolve))
    stream.resume()
    await until(() => notes.events.includes('close'))
    expect(notes.events).toEqual(['end', 'close'])
  },
)
