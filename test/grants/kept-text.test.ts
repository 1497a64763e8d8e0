import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { createMemoryCounters } from '../../core/grants/counter/memory-counters.ts'
import { createKv } from '../../core/grants/kv.ts'
import { createMetric } from '../../core/grants/metric.ts'
import { MetricRegistry } from '../../core/grants/metric-registry.ts'
import { fieldProblem } from '../../core/http/field-problem.ts'
import { ownText } from '../../core/own-text.ts'
import { readOutput } from '../../core/sandbox/frame.ts'
import type { Instance } from '../../core/sandbox/plugin.ts'
import { readRecord } from '../../core/sandbox/records.ts'
import { UndeclaredReads } from '../../core/sandbox/undeclared.ts'
import { OPERATION, op, RECORD, UNIT } from '../../core/sandbox/wire.ts'
import { grantCall } from './call.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const rounds = 60
/** Characters of the message that each text was cut from. */
const message = 500_000

async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setImmediate(resolve))
    collect()
  }
}

/** Bytes that stay in use when something has kept a short part of each of many long messages. */
async function kept(keep: Keep): Promise<number> {
  // What an earlier test has left behind must not hide anything.
  await settled()
  const before = process.memoryUsage().heapUsed
  const results: unknown[] = []
  for (let round = 0; round < rounds; round++) {
    const text = Buffer.alloc(message, 'a').toString('latin1').replace('a'.repeat(20), `part_${round}_`.padEnd(20, 'b'))
    results.push(await keep(text.slice(0, 40), round))
  }
  await settled()
  const used = process.memoryUsage().heapUsed - before
  expect(results).toHaveLength(rounds)
  return used
}

type Keep = (part: string, round: number) => unknown

const set = (kv: ReturnType<typeof createKv>, key: string, value: string): unknown =>
  kv.set([key, value, '60'], grantCall('kv.set'))

/** Each makes a new store and returns what puts a text into it. */
const stores: Record<string, () => Keep> = {
  'a copy': () => (part) => ownText(part),
  'the key of an entry of kv': () => {
    const kv = createKv()
    return (part) => set(kv, part, 'x')
  },
  'the value of an entry of kv': () => {
    const kv = createKv()
    return (part, round) => set(kv, String(round), part)
  },
  'the key of an entry of kv that is read': () => {
    const kv = createKv()
    return (part) => {
      set(kv, ownText(part), 'x')
      return kv.get([part], grantCall('kv.get'))
    }
  },
  'the key of a counter': () => {
    const counters = createMemoryCounters()
    return (part) => counters.take('p', part, { points: 5, duration: 60 })
  },
  'the name of a metric': () => {
    const metric = createMetric(new MetricRegistry())
    return (part) => metric.count([part, '1'], grantCall('metric.count'))
  },
  'the label of a metric': () => {
    const metric = createMetric(new MetricRegistry())
    return (part) => metric.count(['m', '1', 'label', part], grantCall('metric.count'))
  },
  'the name of a header that may be written': () => (part) => fieldProblem(part, 'x'),
  'an undeclared read': () => {
    const reads = new UndeclaredReads({})
    const instance = { plugin: { hash: 'h' }, fields: {} } as unknown as Instance
    return (part) => void reads.message(instance, part)
  },
  'an argument of a long record': () => (part) => {
    const record = `${op.consumer}${UNIT}${part}${OPERATION}${op.state}${UNIT}${'s'.repeat(message)}`
    return (readRecord(record) as string[][])[0]
  },
  'a record beside a long one': () => (part) => {
    // Without times of its turns.
    const output = `${RECORD}${op.consumer}${UNIT}${part}${RECORD}${op.state}${UNIT}${'s'.repeat(message)}${RECORD}`
    return readOutput(output)![0]
  },
}

test.each(Object.entries(stores))('does not keep the message it came with: %s', async (_what, open) => {
  const once = open()
  for (let round = 0; round < rounds; round++) await once(`text_${round}_`.padEnd(40, 'x'), round)
  // All messages together are 30 MB.
  expect(await kept(open())).toBeLessThan((message * rounds) / 5)
})
