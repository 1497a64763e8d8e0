import { afterEach, expect, test } from 'vitest'
import { createGrantHost } from '../../core/grants/grant-host.ts'
import type { Emit, Executor, Step } from '../../core/sandbox/executor.ts'
import { Group } from '../../core/sandbox/group.ts'
import { openIsolateExecutor } from '../../core/sandbox/isolate-executor.ts'
import { layOut } from '../../core/sandbox/layout.ts'
import type { Verdict } from '../../core/sandbox/plugin.ts'
import { callOf, headerOf, instanceOf, openHarness, runOf } from './harness.ts'

let group: Group | undefined
afterEach(() => group?.close())

async function countingGroup(): Promise<{ group: Group; crossings: (readonly Step[])[] }> {
  const { plugins, bindings } = layOut([await instanceOf('p', { plugin: 'hostile' })])
  const crossings: (readonly Step[])[] = []
  const open = (emit: Emit): Executor => {
    const executor = openIsolateExecutor({ plugins, memory: 64, emit })
    return {
      dispose: () => executor.dispose(),
      heap: () => executor.heap(),
      held: () => executor.held(),
      isCrowded: () => executor.isCrowded(),
      cross: (steps, timeout) => {
        crossings.push(steps)
        return executor.cross(steps, timeout)
      },
    }
  }
  group = new Group({ name: 'local', bindings, open, time: 20, memory: 64, grants: createGrantHost() })
  return { group, crossings }
}

function run(group: Group, path: string): Promise<Verdict> {
  return new Promise((settle) => group.call(callOf(0, [path], settle)))
}

test('the calls of one turn cross once', async () => {
  const { group, crossings } = await countingGroup()
  const paths = Array.from({ length: 12 }, (_, i) => `/${i}`)
  const verdicts = await Promise.all(paths.map((path) => run(group, path)))
  expect(verdicts.map((verdict) => headerOf(verdict))).toEqual(paths)
  // On a busy machine the slice may end before the batch does; what is left then crosses again.
  expect(crossings[0]).toHaveLength(12)
})

test('no call settles before `call` returns', async () => {
  const { group } = await countingGroup()
  let settled = false
  const running = run(group, '/x').then(() => {
    settled = true
  })
  await Promise.resolve()
  expect(settled).toBe(false)
  await running
})

test('many calls at the same time cross in few crossings', async () => {
  const { group, crossings } = await countingGroup()
  const verdicts = await Promise.all(Array.from({ length: 500 }, (_, i) => run(group, `/${i}`)))
  expect(verdicts.every((verdict, i) => headerOf(verdict) === `/${i}`)).toBe(true)
  expect(crossings.length).toBeLessThan(100)
})

test('runs of former configurations leave room for new ones', async () => {
  const { sandbox } = await openHarness([{ plugin: 'hostile' }])
  const seen: (string | undefined)[] = []
  /** Runs that crossed a step at a time: only then its input is asked for. */
  let apart = 0
  const call = (path: string): Promise<void> => {
    const { text = '', steps, run } = runOf([0], [[path]])
    return new Promise((resolve) => {
      sandbox.call({
        hook: 'onRequest',
        flow: 'f',
        get steps() {
          apart++
          return steps
        },
        // A configuration brings runs of its own, even for plugins that stay.
        run: { ...run! },
        text,
        settle: (_step, verdict) => {
          seen.push(headerOf(verdict))
          resolve()
          return false
        },
      })
    })
  }
  const paths = Array.from({ length: 10_000 }, (_, i) => `/${i}`)
  await Promise.all(paths.map(call))
  sandbox.close()
  expect(new Set(seen)).toEqual(new Set(paths))
  // On a busy machine a crossing may be lost.
  expect(apart).toBeLessThan(5_000)
})
