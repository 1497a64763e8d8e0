import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { CrashSlot, readCrashSlot as readLastCrossing } from '../../core/guard/crash-slot.ts'
import { CrossingBoard, layout } from '../../core/guard/crossing-board.ts'
import { readBoard } from '../../core/guard/read-board.ts'
import type { GuardedCall, ProcessSize } from '../../core/sandbox/crossing-guard.ts'
import { guarded, slotFolder } from '../helpers/guarded.ts'

const crossing = ['auth', 'waf', 'limit'].map((name, number) => {
  return { hash: `hash-${name}`, plugin: name, policy: `${name}-policy`, hook: 'onRequest', flow: `flow-${number}` }
})

/** The calls of the crossing in a crash slot. */
const readCrashSlot = (file: string): readonly GuardedCall[] => readLastCrossing(file).calls

const text = fc.string({ unit: 'grapheme', maxLength: 15 })
const call: fc.Arbitrary<GuardedCall> = fc.record({ hash: text, plugin: text, policy: text, hook: text, flow: text })
/** The board keeps one text for each combination of these; a plugin has one name. */
const calls = fc
  .array(call, { minLength: 1, maxLength: 40 })
  .map((list) => list.map((one) => ({ ...one, plugin: `plugin of ${one.hash}`, flow: cut(one.flow) })))

function cut(flow: string): string {
  let end = flow.length
  while (Buffer.byteLength(flow.slice(0, end)) > layout.flow) end--
  return flow.slice(0, end)
}

function openBoard(): { file: string; slot: CrashSlot; board: CrossingBoard; shared: SharedArrayBuffer } {
  const file = join(slotFolder(onTestFinished), 'slot')
  const slot = new CrashSlot(file, (problem) => expect.unreachable(problem))
  const shared = new SharedArrayBuffer(layout.size)
  return { file, slot, board: new CrossingBoard(shared, slot), shared }
}

describe('names the members of the crossing after', () => {
  test.concurrent.for(['SIGSEGV', 'SIGKILL', 'SIGABRT', 'SIGBUS'] as const)(
    '%s from outside',
    async (signal, context) => {
      const { child, ready, exited, slotFile } = guarded(context, 'crossing')
      await ready
      // Written before the crossing and not after it has begun, so it may take a moment after `ready`.
      while (readCrashSlot(slotFile).length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
      child.kill(signal)
      expect((await exited).signal).toBe(signal)
      expect(readCrashSlot(slotFile)).toEqual(crossing)
    },
  )

  test.concurrent.for<[string, string, NodeJS.Signals]>([
    ['an abort', 'abort', 'SIGABRT'],
    ['its watchdog', 'loop', 'SIGKILL'],
  ])('%s', async ([, scenario, signal], context) => {
    const { exited, slotFile } = guarded(context, scenario)
    expect((await exited).signal).toBe(signal)
    expect(readCrashSlot(slotFile)).toEqual(crossing)
  })

  test.for([
    ['a trap of V8', 'trap'],
    ['a segmentation fault', 'segfault'],
  ] as const)('%s', { timeout: 60_000 }, async ([, scenario], context) => {
    // This takes seconds; the watchdog would kill the process before.
    const { exited, slotFile } = guarded(context, scenario, { hard: 60_000 })
    // On a busy machine isolated-vm gives the process up (SIGSEGV) before V8 has come to its trap.
    expect(['SIGTRAP', 'SIGSEGV']).toContain((await exited).signal)
    expect(readCrashSlot(slotFile)).toEqual(crossing)
  })
})

test('is idle after a crossing, also after a process that ended in order', async (context) => {
  const { slotFile, exited } = guarded(context, 'idle')
  expect(await exited).toMatchObject({ code: 0 })
  expect(existsSync(slotFile)).toBe(true)
  expect(readCrashSlot(slotFile)).toEqual([])
})

test('a guard that is closed leaves no file behind', async (context) => {
  const { slotFile, exited } = guarded(context, 'closed')
  expect(await exited).toMatchObject({ code: 0 })
  expect(existsSync(slotFile)).toBe(false)
})

test('a slot that cannot be opened is reported, and the process continues', async (context) => {
  const { stderr, ...end } = await guarded(context, 'idle', { slotFile: '/nowhere/slot' }).exited
  expect(end).toMatchObject({ code: 0, stdout: 'ready\ndone\n' })
  expect(stderr).toMatch(
    /^postern: worker \d+ can no longer note which plugin runs: a crash will not be attributed to one \(ENOENT/,
  )
})

test('a link at its path is not followed', () => {
  const folder = slotFolder(onTestFinished)
  writeFileSync(join(folder, 'precious'), 'text')
  symlinkSync(join(folder, 'precious'), join(folder, 'slot'))
  const problems: string[] = []
  new CrashSlot(join(folder, 'slot'), (problem) => problems.push(problem)).record(new Uint8Array(4), 4)
  expect(problems).toEqual([expect.stringContaining('ELOOP')])
  expect(readFileSync(join(folder, 'precious'), 'utf8')).toBe('text')
})

test('a slot that can no longer be written names no call, is reported once, and is not written again', () => {
  const file = join(slotFolder(onTestFinished), 'slot')
  const problems: string[] = []
  const slot = new CrashSlot(file, (problem) => problems.push(problem))
  const board = new CrossingBoard(new SharedArrayBuffer(layout.size), slot)
  board.post(1, crossing)
  expect(readCrashSlot(file)).toEqual(crossing)
  slot.record(new Uint8Array(4), 8)
  board.post(2, crossing)
  slot.clear()
  slot.close()
  expect(problems).toHaveLength(1)
  expect(readCrashSlot(file)).toEqual([])
})

describe('the board', () => {
  test('shows the last crossing, in memory and in the file, until it is cleared', () => {
    const { file, slot, board, shared } = openBoard()
    let number = 0
    fc.assert(
      fc.property(calls, (list) => {
        board.post(++number, list)
        expect(readBoard(new Uint8Array(shared))).toEqual(list)
        expect(readCrashSlot(file)).toEqual(list)
        slot.clear()
        expect(readCrashSlot(file)).toEqual([])
      }),
    )
    slot.close()
  })

  test('says whether its one call crossed alone, and not in a process that had grown too much', () => {
    const { file, slot, board } = openBoard()
    const alone = (growth?: ProcessSize): boolean => {
      board.post(1, [crossing[0]!], growth)
      return readLastCrossing(file).alone
    }
    expect(alone()).toBe(false)
    expect(alone({ resident: 0, virtual: 0 })).toBe(true)
    expect(alone({ resident: -50, virtual: 4_000 })).toBe(true)
    expect(alone({ resident: 2 ** 20, virtual: 0 })).toBe(false)
    expect(alone({ resident: 0, virtual: 2 ** 30 })).toBe(false)
    slot.close()
  })

  test('cuts a long identifier between two characters', () => {
    const { board, slot, shared } = openBoard()
    board.post(1, [
      { ...crossing[0]!, flow: 'é'.repeat(100) },
      { ...crossing[1]!, flow: `x${'é'.repeat(100)}` },
    ])
    const flows = readBoard(new Uint8Array(shared)).map((one) => one?.flow)
    expect(flows).toEqual(['é'.repeat(32), `x${'é'.repeat(31)}`])
    slot.close()
  })

  test('keeps the indexes when there are more calls, or longer names, than it can hold', () => {
    const { board, slot, shared, file } = openBoard()
    const many = Array.from({ length: 20_000 }, (_, number) => ({ ...crossing[number % 3]!, flow: 'f'.repeat(64) }))
    board.post(1, many)
    const shown = readBoard(new Uint8Array(shared))
    expect(shown.length).toBeGreaterThan(3_000)
    expect(shown).toEqual(many.slice(0, shown.length))
    board.post(2, [{ ...crossing[0]!, hash: 'h'.repeat(layout.size) }, crossing[1]!])
    expect(readBoard(new Uint8Array(shared))).toEqual([undefined, crossing[1]])
    expect(readCrashSlot(file)).toEqual([crossing[1]])
    slot.close()
  })

  test('forgets old texts when reloads have filled it', () => {
    const { board, slot, shared, file } = openBoard()
    for (let reload = 0; reload < 8_000; reload++) {
      const list = crossing.map((one) => ({ ...one, hash: `${one.hash}-${reload}-${'0'.repeat(64)}` }))
      board.post(reload + 1, list)
      if (reload % 500 === 0) expect(readBoard(new Uint8Array(shared))).toEqual(list)
      if (reload % 1_000 === 0) expect(readCrashSlot(file)).toEqual(list)
    }
    expect(readFileSync(file).length).toBeLessThanOrEqual(layout.size)
    slot.close()
  })
})

describe('a file that is not whole', () => {
  test('no file, an empty one, any other content: no calls', () => {
    const file = join(slotFolder(onTestFinished), 'slot')
    expect(readCrashSlot(file)).toEqual([])
    writeFileSync(file, '')
    expect(readCrashSlot(file)).toEqual([])
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(readBoard(bytes)).toEqual([])
      }),
    )
  })

  test('a record that was cut off anywhere names no call', () => {
    const { board, slot, file } = openBoard()
    board.post(7, crossing)
    const whole = readFileSync(file)
    slot.close()
    const length = layout.header + crossing.length * 3 + crossing.reduce((sum, { flow }) => sum + flow.length, 0)
    for (let end = 0; end < length; end++) {
      const torn = Buffer.from(whole)
      torn.fill(0, end, layout.record)
      expect(readBoard(torn), `${end}`).toEqual([])
      expect(readBoard(whole.subarray(0, end))).toEqual([])
    }
  })

  test('bytes that were changed make no exception, and nothing but calls', () => {
    const { board, slot, file } = openBoard()
    board.post(7, crossing)
    const whole = readFileSync(file)
    slot.close()
    const offset = fc.oneof(
      fc.nat(100),
      fc.nat(300).map((at) => layout.record + at),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(offset, fc.nat(255)), { minLength: 1, maxLength: 8 }), (changes) => {
        const bytes = Buffer.from(whole)
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
        for (const one of readBoard(bytes)) {
          if (one !== undefined) expect(Object.values(one).every((part) => typeof part === 'string')).toBe(true)
        }
      }),
    )
  })
})
