import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type BodyChange, BodyPath } from '../../core/flow/body-path.ts'
import { CONSUMED } from '../../core/http/exchange.ts'

/** A path whose source, sink and hook are played by the test. */
class Played {
  paused = false
  written: Buffer[] = []
  ended = false
  /** The chunk that the hook has, and how to answer. */
  asked: { chunk: Uint8Array; last: boolean; answer: () => void } | undefined
  calls = 0
  readonly path: BodyPath = new BodyPath({
    pause: () => {
      this.paused = true
    },
    resume: () => {
      this.paused = false
    },
  })
  readonly sink = {
    isFlushed: true,
    write: (chunk: Uint8Array): boolean => this.written.push(Buffer.from(chunk)) > 0,
    end: (): void => {
      this.ended = true
    },
  }
  readonly change: BodyChange = (chunk, last, done) => {
    this.calls++
    this.asked = {
      chunk,
      last,
      answer: () => {
        this.asked = undefined
        done(chunk)
      },
    }
  }
}

const piece = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 70_000 }))

describe('pieces of a body', () => {
  test('that arrive while a hook runs are its next chunk, all of them, in order', () => {
    fc.assert(
      fc.property(fc.array(fc.array(piece, { maxLength: 60 })), (rounds) => {
        const played = new Played()
        played.path.flow(played.sink, played.change)
        const sent: Buffer[] = []
        let biggest = 0
        let next = 0
        for (const pieces of rounds) {
          for (const length of pieces) {
            if (played.paused) break
            // A piece is overwritten when it was consumed, as the memory of a read is.
            const bytes = Buffer.alloc(length, next++)
            sent.push(Buffer.from(bytes))
            biggest = Math.max(biggest, length)
            if (played.path.take(bytes) === CONSUMED) bytes.fill(255)
          }
          const before = played.calls
          played.asked?.answer()
          expect(played.calls - before).toBeLessThanOrEqual(1)
          expect(played.asked?.chunk.length ?? 0).toBeLessThanOrEqual(Math.max(65_536, biggest))
        }
        played.path.end()
        while (played.asked !== undefined) played.asked.answer()
        expect(played.ended).toBe(true)
        expect(Buffer.concat(played.written).equals(Buffer.concat(sent))).toBe(true)
      }),
    )
  })

  test('wait for nothing: one that arrives when no hook runs is asked about, or written, at once', () => {
    const asking = new Played()
    asking.path.flow(asking.sink, asking.change)
    for (const text of ['data: 1\n\n', 'data: 2\n\n']) {
      asking.path.take(Buffer.from(text))
      expect(Buffer.from(asking.asked!.chunk).toString()).toBe(text)
      asking.asked!.answer()
    }
    const passing = new Played()
    passing.path.flow(passing.sink, undefined)
    passing.path.take(Buffer.from('data: 1\n\n'))
    expect(String(passing.written)).toBe('data: 1\n\n')
  })

  test('of one byte that arrive while a hook runs cost one more call, and stop the source at 64 KB', () => {
    const played = new Played()
    played.path.flow(played.sink, played.change)
    let count = 0
    while (!played.paused) {
      expect(played.path.take(Buffer.from('x'))).toBe(CONSUMED)
      count++
    }
    expect(count).toBe(65_537)
    played.asked!.answer()
    expect(played.asked!.chunk).toHaveLength(65_536)
    expect(played.calls).toBe(2)
  })

  test('that are held hold memory of their own, and not that of the reads they came in', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 70_000 }), { maxLength: 30 }), (lengths) => {
        const played = new Played()
        let size = 0
        for (const length of lengths) {
          const read = Buffer.alloc(70_000, 'r')
          const fate = played.path.take(read.subarray(0, length))
          if (length < 16 * 1024) expect(fate).toBe(CONSUMED)
          if (fate === CONSUMED) read.fill('-')
          size += length
        }
        const held = Buffer.from(played.path.peek(size))
        expect(held.equals(Buffer.alloc(size, 'r'))).toBe(true)
      }),
    )
  })
})
