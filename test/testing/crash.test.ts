import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, onTestFinished, test } from 'vitest'
import { type PluginUnderTest, testPlugin } from '../../core/testing/index.ts'
import { until } from '../helpers/until.ts'
import { fixture } from '../sandbox/harness.ts'

let plugin: PluginUnderTest
afterEach(() => plugin?.close())

const left = async () => (await plugin.run('onRequest', at('/'))).requestHeaders['x-left']

const at = (path: string) => ({ request: { path } })

test('a hook that crashes its process is an error, and the next call runs', async () => {
  plugin = await testPlugin(fixture('crash'))
  expect(await left()).toBe('9')
  expect(await left()).toBe('8')
  await expect(plugin.run('onRequest', at('/fill'))).rejects.toThrow(
    /^policy "crash" \(plugin "crash"\), onRequest, PM: its process crashed \(SIG[A-Z]+\); code that takes more memory/,
  )
  // In a process of its own, with an empty state.
  expect(await left()).toBe('9')
})

test('a leak is an error, whether V8 stops it in time or not', async () => {
  plugin = await testPlugin(fixture('crash'))
  for (let i = 0; i < 2; i++) {
    await expect(plugin.run('onRequest', at('/leak'))).rejects.toThrow(/onRequest, (PT|PM): /)
  }
  expect(await left()).toMatch(/^\d$/)
})

test('calls that ran at the time of a crash say that any of them may be the cause', async () => {
  plugin = await testPlugin(fixture('crash'))
  const calls = ['/', '/fill'].map((path) => plugin.run('onRequest', at(path)))
  const [, crashed] = await Promise.allSettled(calls)
  expect(crashed).toMatchObject({ status: 'rejected' })
  expect(await left()).toBe('9')
})

test('a hook that nothing can stop is ended with its process', async () => {
  plugin = await testPlugin(fixture('crash'), {}, { limits: { wait: 100 } })
  await expect(plugin.run('onRequest', at('/stuck'))).rejects.toThrow(
    'onRequest, PT: its code did not return, and its process had to be killed',
  )
  expect(await left()).toBe('9')
})

test('the process of the isolates is one, and does not outlive that of the tests, whatever runs in it', async () => {
  const runner = fork(join(import.meta.dirname, 'stuck-runner.ts'), [fixture('crash')], {
    execArgv: ['--no-node-snapshot', '--conditions=postern-source'],
  })
  const [child] = await until('the isolates', () => {
    const found = childrenOf(runner.pid!)
    return found.length > 0 && found
  })
  onTestFinished(() => {
    if (runner.exitCode === null && runner.signalCode === null) runner.kill('SIGKILL')
  })
  await once(runner, 'message')
  expect(childrenOf(runner.pid!)).toEqual([child])
  runner.kill('SIGKILL')
  await once(runner, 'exit')
  await until('the end of the isolates', () => !childrenOf(undefined).includes(child!))
})

/** Processes with isolates of tests: those of one process, or all. */
function childrenOf(parent: number | undefined): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      if (!/^\d+$/.test(pid) || !readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('isolate-child.ts')) return false
      const [, of] = /\) \S (\d+) /.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
      return parent === undefined || Number(of) === parent
    } catch {
      return false
    }
  })
}
