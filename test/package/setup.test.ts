import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { root } from '../rules/sources.ts'
import { type Finished, finish } from './command.ts'

// Stands in for npm: notes that it was called and leaves behind what `npm ci` would.
const npm = `
const { appendFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } = require('node:fs')
appendFileSync('calls', process.argv.slice(2).join(' ') + '\\n')
if (process.env.BROKEN) { console.error('npm error registry not reachable'); process.exit(7) }
rmSync('node_modules', { recursive: true, force: true })
mkdirSync('node_modules/.bin', { recursive: true })
mkdirSync('node_modules/isolated-vm')
writeFileSync('node_modules/isolated-vm/index.js', '')
symlinkSync(process.execPath, 'node_modules/.bin/node')
`

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'postern-setup-'))
  mkdirSync(join(folder, '.ci'))
  copyFileSync(join(root, '.ci/setup.mjs'), join(folder, '.ci/setup.mjs'))
  writeFileSync(join(folder, 'npm.cjs'), npm)
  writeFileSync(join(folder, 'calls'), '')
  lock({ 'node_modules/left-pad': { version: '1.0.0' } })
})

afterEach(() => rmSync(folder, { recursive: true }))

test('installs once, and says so', async () => {
  const first = await setUp()
  expect(first).toMatchObject({ code: 0, stdout: '' })
  expect(first.stderr.trim().split('\n')).toEqual([expect.stringContaining('installing')])
  expect(await setUp()).toEqual({ code: 0, stdout: '', stderr: '' })
  expect(calls()).toEqual([expect.stringMatching(/^ci --include=dev /)])
})

test('installs again when the lock file has changed', async () => {
  await setUp()
  lock({ 'node_modules/left-pad': { version: '1.0.1' } })
  await setUp()
  await setUp()
  expect(calls()).toHaveLength(2)
})

test('two starts at once install once', async () => {
  const runs = await Promise.all([setUp(), setUp(), setUp()])
  expect(runs.map(({ code }) => code)).toEqual([0, 0, 0])
  expect(calls()).toHaveLength(1)
})

test('a lock left by a process that died holds nobody up', async () => {
  const { stdout } = await finish([process.execPath, '-p', 'process.pid'], { cwd: folder })
  writeFileSync(join(folder, '.setup.lock'), stdout.trim())
  expect(await setUp()).toMatchObject({ code: 0 })
  expect(calls()).toHaveLength(1)
})

test('what was installed by hand is taken as it is', async () => {
  await setUp()
  rmSync(join(folder, 'node_modules/.postern-stamp'))
  const record = { packages: { 'node_modules/left-pad': { version: '1.0.0' } } }
  writeFileSync(join(folder, 'node_modules/.package-lock.json'), JSON.stringify(record))
  expect(await setUp()).toEqual({ code: 0, stdout: '', stderr: '' })
  expect(calls()).toHaveLength(1)
})

test('a failure says what npm said and what to do, and the next start tries again', async () => {
  const failed = await setUp({ BROKEN: '1' })
  expect(failed.code).toBe(1)
  expect(failed.stderr).toContain('npm error registry not reachable')
  expect(failed.stderr).toContain('npm ci')
  expect(await setUp()).toMatchObject({ code: 0 })
})

function setUp(env: NodeJS.ProcessEnv = {}): Promise<Finished> {
  const command = [process.execPath, '.ci/setup.mjs']
  return finish(command, { cwd: folder, env: { ...process.env, ...env, npm_execpath: join(folder, 'npm.cjs') } })
}

function lock(packages: Record<string, { version: string }>): void {
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ packages }))
}

function calls(): string[] {
  return readFileSync(join(folder, 'calls'), 'utf8').split('\n').filter(Boolean)
}
