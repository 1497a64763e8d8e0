import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bounds } from '../../core/sandbox/bounds.ts'
import type { Step } from '../../core/sandbox/executor.ts'
import { frame, readOutput } from '../../core/sandbox/frame.ts'
import { createDispatcher } from '../../core/sandbox/guest/dispatcher.ts'
import type { Enter } from '../../core/sandbox/guest/run.ts'
import { readRecord } from '../../core/sandbox/records.ts'
import { encodeField, escapeText, OPERATION, op, RECORD, UNIT } from '../../core/sandbox/wire.ts'

/** Text in which separators and codes are frequent. */
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom('\x1a', '\x1b', RECORD, OPERATION, UNIT, '\x1f', '+', 'E', 'W', 'Y', 'B', 'H', '_'),
  }),
)

/** What a plugin's `enter` may do, its realm being broken in any way. */
const behaviour: fc.Arbitrary<() => unknown> = fc.oneof(
  text.map((value) => () => value),
  fc.anything().map((value) => () => value),
  fc.anything().map((value) => () => {
    throw value
  }),
  fc.constant(() => ''),
)

const step = fc.record({ plugin: fc.nat(3), text })

/** The slice must not end a run, so that what is expected does not depend on the machine. */
function dispatch(plugins: readonly Enter[], steps: readonly Step[]): { done: number; records: Map<number, string> } {
  const dispatcher = createDispatcher(plugins)
  const records = new Map<number, string>()
  let done = 0
  while (done < steps.length) {
    const output = dispatcher.dispatch(frame(steps.slice(done)))
    expect(dispatcher.last()).toBe(output)
    const read = readOutput(output) ?? steps.slice(done).map(() => '')
    for (const [i, record] of read.entries()) if (record !== '') records.set(steps[done + i]!.call, record)
    done += read.length
  }
  return { done, records }
}

describe('the dispatcher', () => {
  test('brings every input to its plugin as it was, and every record back', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (wanted) => {
        const seen: [number, number, number, string][] = []
        const plugins = [0, 1, 2, 3].map(
          (plugin): Enter =>
            (id, entry, input) => {
              seen.push([plugin, id, entry, input])
              return op.setHeader + UNIT + 'x' + UNIT + input
            },
        )
        const steps = wanted.map(({ plugin, text: value }, i): Step => {
          return { plugin, call: i + 1, entry: i, text: encodeField(value) }
        })
        const { records } = dispatch(plugins, steps)
        expect(seen).toEqual(steps.map(({ plugin, call, entry, text: input }) => [plugin, call, entry, input]))
        for (const [i, { text: value }] of wanted.entries()) {
          expect(readRecord(records.get(i + 1)!)).toEqual([
            [op.setHeader, 'x', encodeField(value) === '\x1a' ? '\x1a' : value],
          ])
        }
      }),
    )
  })

  test('the host can read any return value of a plugin, and the other plugins keep their records', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(step, behaviour), { minLength: 1, maxLength: 12 }), (wanted) => {
        const steps = wanted.map(([{ text: value }], i): Step => {
          return { plugin: i % 2, call: i + 1, entry: 0, text: escapeText(value) }
        })
        const hostile: Enter = (id) => wanted[id - 1]![1]()
        const honest: Enter = (id) => `${op.setHeader}${UNIT}x-id${UNIT}${id}`
        const { records } = dispatch([honest, hostile], steps)
        for (const { call, plugin } of steps) {
          const record = records.get(call) ?? ''
          expect(record).not.toContain(RECORD)
          if (plugin === 0) expect(readRecord(record)).toEqual([[op.setHeader, 'x-id', String(call)]])
          else expect(() => readRecord(record)).not.toThrow()
        }
      }),
    )
  })

  test('a record over the size and a plugin that is not there are errors of that step alone', () => {
    const large: Enter = () => 'x'.repeat(bounds.record * 2 + bounds.body + 1)
    const steps = [0, 1, 2].map((plugin): Step => ({ plugin, call: plugin, entry: 0, text: '' }))
    const { records } = dispatch([large, undefined as unknown as Enter, () => 'Hxa'], steps)
    expect([...records].map(([call, record]) => [call, record.split(UNIT)[0]])).toEqual([
      [0, op.error],
      [1, op.error],
      [2, 'Hxa'],
    ])
  })

  test('marks the step that runs, and -1 after it', () => {
    const marks: number[] = []
    const seen: number[] = []
    const plugin: Enter = () => {
      seen.push(marks.at(-1)!)
      return ''
    }
    const dispatcher = createDispatcher([plugin], (index) => marks.push(index))
    const steps = [0, 1, 2].map((call): Step => ({ plugin: 0, call, entry: 0, text: '' }))
    const done = readOutput(dispatcher.dispatch(frame(steps)))?.length ?? 3
    expect(seen).toEqual([0, 1, 2].slice(0, done))
    expect(marks.at(-1)).toBe(-1)
  })
})

test('a crossing takes no further step once the host has enough to read', () => {
  const long = `${op.state}${UNIT}${'s'.repeat(bounds.crossing / 2)}`
  const steps = Array.from({ length: 10 }, (_, i): Step => ({ plugin: 0, call: i, entry: 0, text: '' }))
  expect(readOutput(createDispatcher([() => long]).dispatch(frame(steps)))).toEqual([long, long])
  expect(dispatch([() => long], steps).done).toBe(10)
})
