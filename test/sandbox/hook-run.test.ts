import { expect, test } from 'vitest'
import { bounds } from '../../core/sandbox/bounds.ts'
import { GrantRequest } from '../../core/sandbox/grant-use.ts'
import { HookRun } from '../../core/sandbox/hook-run.ts'
import { layOut } from '../../core/sandbox/layout.ts'
import { PendingCall } from '../../core/sandbox/pending-call.ts'
import { OPERATION, op, UNIT } from '../../core/sandbox/wire.ts'
import { callOf, instanceOf } from './harness.ts'

const instance = await instanceOf('p', { plugin: 'granted' })

/** Runs of the same policy, as records reach them that no honest guest would send. */
function openRuns(): () => HookRun {
  const [binding] = layOut([instance]).bindings
  let number = 0
  return () =>
    new HookRun(
      new PendingCall(
        ++number,
        callOf(0, [], () => {}),
      ),
      0,
      binding!,
    )
}

const times = (count: number, operation: string): string =>
  Array.from({ length: count }, () => operation).join(OPERATION)

test('the host drops log lines beyond those of a call, and keeps metrics', () => {
  const run = openRuns()()
  const log = `${op.note}${UNIT}log.info${UNIT}line`
  const metric = `${op.note}${UNIT}metric.count${UNIT}m${UNIT}1`
  expect(run.addRecord(times(60, log) + OPERATION + times(30, metric))).toBeUndefined()
  expect(run.addRecord(times(10, log))).toBeUndefined()
  const names = run.notes.map(({ operation }) => operation)
  expect(names.filter((name) => name === 'log.info')).toHaveLength(bounds.lines.call)
  expect(names.filter((name) => name === 'metric.count')).toHaveLength(30)
})

test('it takes a limited number of undeclared reads, cut to their bound', () => {
  const run = openRuns()()
  expect(run.addRecord(times(200, `${op.undeclared}${UNIT}${'f'.repeat(1_000)}`))).toBeUndefined()
  expect(run.undeclared).toHaveLength(bounds.undeclared.fields)
  expect(run.undeclared.every(({ length }) => length === bounds.undeclared.name)).toBe(true)
})

test('one call writes one body, with its operations or without', () => {
  const run = openRuns()()
  expect(run.addRecord(`${op.body}YQ==${OPERATION}${op.state}${UNIT}s`)).toBeUndefined()
  expect(run.operations).toEqual([
    [op.body, 'YQ=='],
    [op.state, 's'],
  ])
  expect(run.addRecord(`${op.body}YQ==`)).toBe('the hook wrote two bodies')
  expect(openRuns()().addRecord(`${op.body}YQ`)).toBe('the plugin sent a malformed record')
  const alone = openRuns()()
  expect(alone.addRecord(op.body)).toBeUndefined()
  expect(alone.operations).toEqual([[op.body, '']])
})

test('the records of a call are bounded together', () => {
  const run = openRuns()()
  const record = `${op.state}${UNIT}${'s'.repeat(200_000)}${OPERATION}${op.wait}`
  const problems = Array.from({ length: 3 }, () => run.addRecord(record))
  expect(problems).toEqual([undefined, undefined, 'the hook wrote more than 262144 characters'])
  // Reading them is paid for.
  expect(run.hostTime).toBeGreaterThan(0)
  expect(run.binding.counts.time).toBe(run.hostTime)
})

test('calls of one policy hold a limited number of bytes, until they are over', () => {
  const open = openRuns()
  const record = `${op.body}${'A'.repeat(1_000_000)}`
  const runs: HookRun[] = []
  let problem: string | undefined
  while (problem === undefined && runs.length < 100) {
    const run = open()
    problem = run.addRecord(record)
    runs.push(run)
  }
  expect(problem).toBe('the calls of this policy that are under way hold more than 16 MB')
  expect(runs).toHaveLength(9)
  expect(openRuns()().addRecord(record)).toBeUndefined()
  runs[0]!.over = true
  runs[0]!.release()
  runs[0]!.release()
  expect(open().addRecord(record)).toBeUndefined()
  expect(open().addRecord(record)).toBe(problem)
  for (const run of runs) run.release()
  expect(runs[0]!.binding.held).toBe(record.length * 2)
})

test('a run that begins again in another isolate holds no more than its grants', () => {
  const run = openRuns()()
  const use = [op.grant, '1', 'kv.get', 'key'].join(UNIT)
  const body = 'A'.repeat(1_000_000)
  for (let i = 0; i < 20; i++) {
    expect(run.addRecord([`${op.body}${body}`, use, op.wait].join(OPERATION))).toBeUndefined()
    if (i === 0) run.finish(run.asked[0]!, ['v'.repeat(10_000)], '')
    run.asked = []
    run.restart()
  }
  expect(run.binding.held).toBeGreaterThan(20_000)
  expect(run.binding.held).toBeLessThan(21_000)
  run.release()
  expect(run.binding.held).toBe(0)
})

test('what a grant keeps counts until it is freed, also when its hook did not wait for it', () => {
  const run = openRuns()()
  const request = new GrantRequest(run, 'fetch.send', [])
  request.hold(10_000_000)
  run.over = true
  run.release()
  expect(() => request.hold(10_000_000)).toThrow('hold more than 16 MB')
  request.hold(5_000_000)
  request.hold(-15_000_000)
  expect(run.binding.held).toBe(0)
})

test.for(['kv.set', 'counter.take'])('%s is no note, which no limit on operations would count', (operation) => {
  const run = openRuns()()
  const record = [op.note, operation, 'key', '1', '1'].join(UNIT)
  expect(run.addRecord(record)).toBe(`the hook used ${operation} without waiting for its result`)
  expect(run.notes).toEqual([])
})

test('the next call of a policy pays for work that a hook did not wait for', () => {
  const open = openRuns()
  const [first, second, third] = [open(), open(), open()]
  first.begin()
  new GrantRequest(first, 'jwt.verify', []).spend(1)
  first.over = true
  new GrantRequest(first, 'jwt.verify', []).spend(30)
  second.begin()
  third.begin()
  expect([first, second, third].map(({ hostTime }) => hostTime)).toEqual([1, 30, 0])
})
