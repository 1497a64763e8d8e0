import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  ended,
  frame,
  holdsAll,
  holdsSome,
  leftOut,
  runHead,
  shapePiece,
  unfinished,
} from '../../core/sandbox/frame.ts'
import { createDispatcher } from '../../core/sandbox/guest/dispatcher.ts'
import type { Enter } from '../../core/sandbox/guest/run.ts'
import { endsRun, flagsOf, OPERATION, op, RECORD, UNIT } from '../../core/sandbox/wire.ts'

/** What a broken realm may return for any message, one after the other. */
const returned: fc.Arbitrary<unknown> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '',
      op.wait,
      `C${UNIT}x${OPERATION}${op.wait}`,
      `O${UNIT}1${UNIT}kv.get${OPERATION}${op.wait}`,
    ),
  },
  fc.constantFrom(
    ended,
    leftOut,
    RECORD,
    `C${UNIT}x`,
    `C${UNIT}x${RECORD}`,
    `Y${UNIT}403`,
    `E${UNIT}a`,
    OPERATION,
    undefined,
    1,
    {},
  ),
  fc.string({ unit: fc.constantFrom(RECORD, OPERATION, UNIT, 'W', 'Y', 'C', '0', '1') }),
)

const writes = { consumer: true, headers: ['x-id'], responseHeaders: [] }

test('whatever the realm of a member returns, every call has its own records', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(2), fc.array(returned, { maxLength: 6 })), { minLength: 1, maxLength: 8 }),
      fc.array(fc.constantFrom(holdsAll, holdsSome, ''), { maxLength: 8 }),
      (calls, answers) => {
        const left = new Map<number, unknown[]>()
        const hostile: Enter = (id) => {
          const list = left.get(id) ?? []
          return list.length === 0 ? '' : list.shift()
        }
        const honest: Enter = (id) => `H${UNIT}x-id${UNIT}${id}`
        let asks = 0
        const dispatcher = createDispatcher([honest, hostile], () => {}, true)
        // Shapes: the honest one alone · hostile, honest · honest, hostile, honest.
        const shapes = [[0], [1, 0], [0, 1, 0]]
        let text = shapes
          .map((plugins, number) => {
            const members = plugins.map((plugin) => ({ plugin, entry: 0, fields: [], written: [], writes, notes: [] }))
            return shapePiece({ number, chained: true, fields: 0, members })
          })
          .join('')
        let id = 1
        const expected = calls.map(([shape, list]) => {
          const plugins = shapes[shape]!
          const first = id
          for (const plugin of plugins) {
            if (plugin === 1) left.set(id, [...list])
            id++
          }
          text += runHead(shape) + flagsOf('L7', false)
          return { first, plugins }
        })
        let output = dispatcher.dispatch(frame([], { first: 1, text }))
        while (output.startsWith(unfinished)) {
          const pieces = output.split(RECORD)
          let text = ''
          for (let i = 0; i + 1 < pieces.length; i += 2) text += (answers[asks++] ?? holdsAll) + RECORD
          output = dispatcher.goOn(text)
        }
        const records = output
          .slice(output.indexOf(RECORD) + 1)
          .split(RECORD)
          .slice(0, -1)
        let at = 0
        for (const { first, plugins } of expected) {
          // The slice is over.
          if (at === records.length && at > 0) break
          for (const [k, plugin] of plugins.entries()) {
            const record = records[at++] ?? ''
            if (record === leftOut) break
            if (plugin === 0) expect(record).toBe(`H${UNIT}x-id${UNIT}${first + k}`)
            if (endsRun(record)) break
          }
        }
        expect(at).toBe(records.length)
      },
    ),
    { numRuns: Number(process.env.RUNS ?? 300) },
  )
})
