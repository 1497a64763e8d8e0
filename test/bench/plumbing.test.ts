import { existsSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { httpBackend } from '../helpers/backend.ts'
import { until } from '../helpers/until.ts'
import { runBench } from './bench.ts'
import { Lab } from './lab.ts'
import { closedLoop } from './load/closed-loop.ts'
import { echoLoop } from './load/echo-loop.ts'
import { openLoop } from './load/open-loop.ts'
import { parseOptions } from './options.ts'
import { readProcesses, treeOf } from './process-tree.ts'

// The gateway that is measured here needs none, and its figures are no figures.
process.env.POSTERN_SPARE = '0'

const descendants = (): number[] => treeOf(process.pid, readProcesses()).map(({ pid }) => pid)
const before = descendants()

/** Processes that this file has started and that are still there. */
const left = (): number[] => descendants().filter((pid) => !before.includes(pid))

afterEach(() => {
  expect(left()).toEqual([])
})

const options = parseOptions(['--quick', '--seconds', '1', '--subjects', 'postern +1', '--only', 'small'])
const run = { options, command: 'test', say: () => {} }

test('measures a subject, and leaves nothing behind', { timeout: 90_000 }, async () => {
  const { tables, missing, comparisons } = await runBench(run)
  expect(tables.map(({ connections }) => connections)).toEqual([64])
  for (const { rows } of tables) {
    expect(rows.map(({ subject, errors }) => [subject, errors])).toEqual([['postern +1 plugin', 0]])
    expect(rows[0]?.figures.rate).toBeGreaterThan(0)
    expect(rows[0]?.figures.memory).toBeGreaterThan(0)
  }
  expect(missing).toEqual([])
  expect(comparisons).toEqual([])
})

test('WebSockets go through, and come back as they were sent', { timeout: 90_000 }, async () => {
  const sockets = parseOptions(['--quick', '--seconds', '1', '--subjects', 'postern', '--only', 'websocket'])
  const { tables } = await runBench({ ...run, options: sockets })
  expect(tables.map(({ rows }) => rows.map(({ subject, errors }) => [subject, errors]))).toEqual([[['postern', 0]]])
  expect(tables[0]?.rows[0]?.figures.rate).toBeGreaterThan(0)
})

test('a run that is stopped leaves nothing behind', { timeout: 90_000 }, async () => {
  const stopping = new AbortController()
  const running = runBench({ ...run, signal: stopping.signal }).then(
    () => 'ended',
    (error: Error) => error.message,
  )
  await until('something to be started', () => left().length > 0)
  stopping.abort(new Error('enough'))
  expect(await running).toBe('enough')
})

test('a lab ends what its processes have started, and removes its folder', async () => {
  const lab = new Lab()
  // The shell ignores the signal and does not pass it on: neither it nor its child ends by itself.
  lab.start('stubborn', ['sh', '-c', 'sleep 1000 & wait'], undefined)
  await until('the shell and its child', () => left().length === 2)
  await lab.close()
  expect(existsSync(lab.folder)).toBe(false)
  expect(() => lab.start('late', ['true'], undefined)).toThrow('ended')
})

test('an unknown scenario is refused before anything is started', async () => {
  const unknown = { ...run, options: { ...options, only: ['smal'] } }
  await expect(runBench(unknown)).rejects.toThrow('there is no scenario "smal"; there are small,')
})

const load = { path: '/', headers: { 'x-a': '1' }, connections: 4, seconds: 0.3 }

test('the generators count answers, bytes and errors', async () => {
  let count = 0
  const { port } = await httpBackend((request, response) => {
    count++
    response.statusCode = request.headers['x-a'] === '1' && count !== 5 ? 200 : 500
    response.setHeader('content-length', 3)
    response.end('abc')
  })
  const closed = await closedLoop({ ...load, port })
  expect(closed.errors).toBe(1)
  // Those under way at the end have no answer yet, and one was wrong.
  expect(closed.requests).toBeGreaterThanOrEqual(count - 1 - load.connections)
  expect(closed.requests).toBeLessThan(count)
  expect(closed.bytes).toBeGreaterThan(closed.requests * 3)
  expect(closed.p99).toBeGreaterThanOrEqual(closed.p50)
})

test('a server that takes no WebSockets echoes nothing', async () => {
  const { port } = await httpBackend((_request, response) => void response.end('no'))
  const { requests, errors } = await echoLoop({ ...load, port })
  expect(requests).toBe(0)
  expect(errors).toBeGreaterThanOrEqual(load.connections)
})

test('the open loop does not wait for answers before it sends', async () => {
  const { port } = await httpBackend(() => {})
  const { requests, p50 } = await openLoop({ ...load, port, rate: 1_000 })
  expect(requests).toBe(0)
  // All of them still wait for a free connection: half of them for half of the time, not for nothing.
  expect(p50).toBeGreaterThan(0)
})
