import { fork } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { runtime } from '../../core/sandbox/runtime.ts'
import { root, sourcesOf } from '../rules/sources.ts'
import type { Loaded, Order } from './adopting.ts'
import { fixture, instanceOf } from './harness.ts'

test('a worker that has adopted a runtime runs plugins without loading esbuild', async ({ onTestFinished }) => {
  const worker = sourcesOf('core').find(({ path }) => path === 'core/process/worker.ts')!
  const modules = worker.imports
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => join(root, dirname(worker.path), specifier))
  expect(modules).toContain(join(root, 'core/gateway.ts'))
  const order: Order = {
    modules,
    runtime: runtime(),
    instances: [await instanceOf('p', { plugin: 'hostile' })],
    plugin: fixture('hostile'),
  }
  const child = fork(join(import.meta.dirname, 'adopting.ts'), { execArgv: ['--no-node-snapshot'] })
  onTestFinished(() => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  })
  child.send(order)
  const [{ verdict, running, bundling }] = (await once(child, 'message')) as [Loaded]
  expect(verdict).toBe('done')
  expect(running.some((url) => url.endsWith('core/sandbox/isolate.ts'))).toBe(true)
  expect(running.filter((url) => url.includes('/node_modules/esbuild/'))).toEqual([])
  // The same record shows esbuild once a plugin is bundled.
  expect(bundling.some((url) => url.includes('/node_modules/esbuild/'))).toBe(true)
})
