import { afterEach, expect, test } from 'vitest'
import { createGrantHost } from '../../core/grants/grant-host.ts'
import { bundlePlugin } from '../../core/sandbox/bundle.ts'
import type { Cell, Step } from '../../core/sandbox/cell.ts'
import { Group } from '../../core/sandbox/group.ts'
import { openIsolateCell } from '../../core/sandbox/isolate-cell.ts'
import { layOut, type Place } from '../../core/sandbox/layout.ts'
import type { Verdict } from '../../core/sandbox/plugin.ts'
import { fixture, headerOf } from './harness.ts'

let group: Group | undefined
afterEach(() => group?.close())

async function countingGroup(): Promise<{ group: Group; place: Place; crossings: (readonly Step[])[] }> {
  const code = await bundlePlugin(fixture('hostile'), 'local')
  const limits = { time: 20, memory: 64 }
  const { plugins, places } = layOut([
    { policy: 'p', plugin: code, options: {}, fields: { onRequest: ['path'] }, limits },
  ])
  const crossings: (readonly Step[])[] = []
  const open = (emit: (plugin: number, call: number, record: string) => void): Cell => {
    const cell = openIsolateCell(plugins, 64, emit)
    return {
      dispose: () => cell.dispose(),
      cross: (steps, timeout) => {
        crossings.push(steps)
        return cell.cross(steps, timeout)
      },
    }
  }
  group = new Group({ publisher: 'local', open, time: 20, grants: createGrantHost() })
  return { group, place: places[0]!, crossings }
}

function run(group: Group, place: Place, path: string): Promise<Verdict> {
  return new Promise((settle) => {
    group.call({ instance: 0, hook: 'onRequest', input: `L7\x1e\x1a\x1e${path}`, settle }, place)
  })
}

test('the calls of one turn cross once', async () => {
  const { group, place, crossings } = await countingGroup()
  const paths = Array.from({ length: 12 }, (_, i) => `/${i}`)
  const verdicts = await Promise.all(paths.map((path) => run(group, place, path)))
  expect(verdicts.map((verdict) => headerOf(verdict))).toEqual(paths)
  // On a busy machine the slice may end before the batch does; what is left then crosses again.
  expect(crossings[0]).toHaveLength(12)
})

test('no call settles before `call` returns', async () => {
  const { group, place } = await countingGroup()
  let settled = false
  const running = run(group, place, '/x').then(() => {
    settled = true
  })
  await Promise.resolve()
  expect(settled).toBe(false)
  await running
})

test('a large crowd is served in few crossings', async () => {
  const { group, place, crossings } = await countingGroup()
  const verdicts = await Promise.all(Array.from({ length: 500 }, (_, i) => run(group, place, `/${i}`)))
  expect(verdicts.every((verdict, i) => headerOf(verdict) === `/${i}`)).toBe(true)
  expect(crossings.length).toBeLessThan(100)
})
