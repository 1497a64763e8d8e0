import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BodyPath, type BodySink, maxKept } from '../../core/flow/body-path.ts'
import { CONSUMED } from '../../core/http/exchange.ts'

/** Takes pieces until it dies; then it takes nothing in. */
class Sink implements BodySink {
  readonly pieces: Buffer[] = []
  ended = false
  readonly isFlushed = true
  readonly #room: number

  /** @param room pieces that it takes before it is slow */
  constructor(room: number = Number.POSITIVE_INFINITY) {
    this.#room = room
  }

  write(chunk: Uint8Array): boolean {
    this.pieces.push(Buffer.from(chunk))
    return this.pieces.length < this.#room
  }

  end(): void {
    this.ended = true
  }

  get text(): string {
    return Buffer.concat(this.pieces).toString('latin1')
  }
}

const pieces = fc.array(fc.string({ minLength: 1, maxLength: 40, unit: fc.constantFrom(...'abcdefgh') }), {
  maxLength: 12,
})

test('a short body reaches the second sink whole, whenever the first one dies, and however it is held or changed', () => {
  fc.assert(
    fc.property(
      pieces,
      fc.nat(14),
      fc.nat(14),
      fc.nat(4),
      fc.boolean(),
      fc.boolean(),
      (body, died, held, room, changes, endsLate) => {
        const path = new BodyPath({ pause: () => {}, resume: () => {} })
        const change = changes
          ? (chunk: Uint8Array, _last: boolean, done: (changed: Uint8Array) => void): void =>
              done(Buffer.from(Buffer.from(chunk).toString('latin1').toUpperCase(), 'latin1'))
          : undefined
        const first = new Sink(room === 0 ? undefined : room)
        const second = new Sink()
        let sink: Sink | undefined
        for (let i = 0; i <= body.length; i++) {
          if (i === Math.min(held, body.length)) {
            sink = first
            path.flow(first, change, true)
          }
          if (sink === first && i >= Math.min(died, body.length)) {
            expect(path.rewind()).toBe(true)
            sink = undefined
            if (!endsLate) {
              sink = second
              path.flow(second, change)
            }
          }
          if (i === body.length) break
          const memory = Buffer.from(body[i]!, 'latin1')
          // Memory that was consumed is used again.
          if (path.take(memory) === CONSUMED) memory.fill(0)
          if (first.pieces.length > 0) path.onWritable()
        }
        path.end()
        if (sink === undefined) path.flow(second, change)
        path.onWritable()
        const whole = body.join('')
        expect(second.text).toBe(changes ? whole.toUpperCase() : whole)
        expect(second.ended).toBe(true)
        expect(whole.startsWith(first.text.toLowerCase())).toBe(true)
      },
    ),
  )
})

test('a body that is too long, or was not kept, cannot be sent again', () => {
  for (const [size, keeps, isPossible] of [
    [maxKept, true, true],
    [maxKept + 1, true, false],
    [1, false, false],
  ] as const) {
    const path = new BodyPath({ pause: () => {}, resume: () => {} })
    path.flow(new Sink(), undefined, keeps)
    path.take(Buffer.alloc(size))
    expect(path.rewind()).toBe(isPossible)
  }
})
