import { expect, test } from 'vitest'
import { bounds } from '../../core/sandbox/bounds.ts'
import { GrantRequest } from '../../core/sandbox/grant-use.ts'
import { layOut } from '../../core/sandbox/layout.ts'
import { PendingCall } from '../../core/sandbox/pending-call.ts'
import { StepTurn } from '../../core/sandbox/step-turn.ts'
import { OPERATION, op, UNIT } from '../../core/sandbox/wire.ts'
import { callOf, instanceOf } from './harness.ts'

const instance = await instanceOf('p', { plugin: 'granted' })

/** Turns of the same policy, as records reach them that no honest guest would send. */
function openTurns(): () => StepTurn {
  const [binding] = layOut([instance]).bindings
  let number = 0
  return () =>
    new StepTurn(
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
  const turn = openTurns()()
  const log = `${op.note}${UNIT}log.info${UNIT}line`
  const metric = `${op.note}${UNIT}metric.count${UNIT}m${UNIT}1`
  expect(turn.addRecord(times(60, log) + OPERATION + times(30, metric))).toBeUndefined()
  expect(turn.addRecord(times(10, log))).toBeUndefined()
  const names = turn.notes.map(({ operation }) => operation)
  expect(names.filter((name) => name === 'log.info')).toHaveLength(bounds.lines.call)
  expect(names.filter((name) => name === 'metric.count')).toHaveLength(30)
})

test('it takes a limited number of undeclared reads, cut to their bound', () => {
  const turn = openTurns()()
  expect(turn.addRecord(times(200, `${op.undeclared}${UNIT}${'f'.repeat(1_000)}`))).toBeUndefined()
  expect(turn.undeclared).toHaveLength(bounds.undeclared.fields)
  expect(turn.undeclared.every(({ length }) => length === bounds.undeclared.name)).toBe(true)
})

test('one call writes one body, with its operations or without', () => {
  const turn = openTurns()()
  expect(turn.addRecord(`${op.body}YQ==${OPERATION}${op.state}${UNIT}s`)).toBeUndefined()
  expect(turn.operations).toEqual([
    [op.body, 'YQ=='],
    [op.state, 's'],
  ])
  expect(turn.addRecord(`${op.body}YQ==`)).toBe('the hook wrote two bodies')
  expect(openTurns()().addRecord(`${op.body}YQ`)).toBe('the plugin sent a malformed record')
  const alone = openTurns()()
  expect(alone.addRecord(op.body)).toBeUndefined()
  expect(alone.operations).toEqual([[op.body, '']])
})

test('the records of a call are bounded together', () => {
  const turn = openTurns()()
  const record = `${op.state}${UNIT}${'s'.repeat(200_000)}${OPERATION}${op.wait}`
  const problems = Array.from({ length: 3 }, () => turn.addRecord(record))
  expect(problems).toEqual([undefined, undefined, 'the hook wrote more than 262144 characters'])
  // Reading them is paid for.
  expect(turn.hostTime).toBeGreaterThan(0)
  expect(turn.binding.counts.time).toBe(turn.hostTime)
})

test('calls of one policy hold a limited number of bytes, until they are over', () => {
  const open = openTurns()
  const record = `${op.body}${'A'.repeat(1_000_000)}`
  const turns: StepTurn[] = []
  let problem: string | undefined
  while (problem === undefined && turns.length < 100) {
    const turn = open()
    problem = turn.addRecord(record)
    turns.push(turn)
  }
  expect(problem).toBe('the calls of this policy that are under way hold more than 16 MB')
  expect(turns).toHaveLength(9)
  expect(openTurns()().addRecord(record)).toBeUndefined()
  turns[0]!.over = true
  turns[0]!.release()
  turns[0]!.release()
  expect(open().addRecord(record)).toBeUndefined()
  expect(open().addRecord(record)).toBe(problem)
  for (const turn of turns) turn.release()
  expect(turns[0]!.binding.held).toBe(record.length * 2)
})

test('a hook that begins again in another isolate holds no more than its grants', () => {
  const turn = openTurns()()
  const use = [op.grant, '1', 'kv.get', 'key'].join(UNIT)
  const body = 'A'.repeat(1_000_000)
  for (let i = 0; i < 20; i++) {
    expect(turn.addRecord([`${op.body}${body}`, use, op.wait].join(OPERATION))).toBeUndefined()
    if (i === 0) turn.finish(turn.asked[0]!, ['v'.repeat(10_000)], '')
    turn.asked = []
    turn.restart()
  }
  expect(turn.binding.held).toBeGreaterThan(20_000)
  expect(turn.binding.held).toBeLessThan(21_000)
  turn.release()
  expect(turn.binding.held).toBe(0)
})

test('what a grant keeps counts until it is freed, also when its hook did not wait for it', () => {
  const turn = openTurns()()
  const request = new GrantRequest(turn, 'fetch.send', [])
  request.hold(10_000_000)
  turn.over = true
  turn.release()
  expect(() => request.hold(10_000_000)).toThrow('hold more than 16 MB')
  request.hold(5_000_000)
  request.hold(-15_000_000)
  expect(turn.binding.held).toBe(0)
})

test.for(['kv.set', 'counter.take'])('%s is no note, which no limit on operations would count', (operation) => {
  const turn = openTurns()()
  const record = [op.note, operation, 'key', '1', '1'].join(UNIT)
  expect(turn.addRecord(record)).toBe(`the hook used ${operation} without waiting for its result`)
  expect(turn.notes).toEqual([])
})

test('the next call of a policy pays for work that a hook did not wait for', () => {
  const open = openTurns()
  const [first, second, third] = [open(), open(), open()]
  first.begin()
  new GrantRequest(first, 'jwt.verify', []).spend(1)
  first.over = true
  new GrantRequest(first, 'jwt.verify', []).spend(30)
  second.begin()
  third.begin()
  expect([first, second, third].map(({ hostTime }) => hostTime)).toEqual([1, 30, 0])
})
