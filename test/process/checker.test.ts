import { execFileSync } from 'node:child_process'
import { getEventListeners } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { checkApart } from '../../core/process/checker.ts'
import { Supervisor } from '../../core/process/supervisor.ts'
import { Log } from '../../core/telemetry/log.ts'
import { gatewayFolder, httpConfig, type Json } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'

const plugin =
  "import { definePlugin } from 'postern/sdk'\nexport default definePlugin({ name: 'x', onRequest() {} })\n"

const config = (options: Json = {}): Json =>
  httpConfig([1], {
    routes: { all: { policies: ['p'] } },
    policies: { p: { plugin: 'x', options } },
  })

/** A configuration whose check never ends: the bundler waits for a package.json that is a pipe. */
function hangingFolder(options: Json = {}): string {
  const folder = gatewayFolder(config(options), { 'plugins/x/index.ts': plugin })
  execFileSync('mkfifo', [join(folder, 'plugins/x/package.json')])
  return join(folder, 'gateway.json')
}

/** Processes that check this file, before and after they have given themselves a name. */
function checksOf(file: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      if (!/^\d+$/.test(pid)) return false
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      return command.includes(`check-child.ts\0${file}`) || command.startsWith(`postern: check ${file}`)
    } catch {
      return false
    }
  })
}

test('a check that does not end is ended at its deadline', async () => {
  const file = hangingFolder()
  await expect(checkApart(file, { deadline: 1_000 })).rejects.toThrow(
    `the check of ${file} took more than 1 s and was ended`,
  )
  await until('its process to end', () => checksOf(file).length === 0)
})

test('a check ends with whoever asked for it', async () => {
  const file = hangingFolder()
  const abort = new AbortController()
  const checked = checkApart(file, { signal: abort.signal })
  await until('its process to begin', () => checksOf(file).length === 1)
  abort.abort()
  await expect(checked).rejects.toThrow('was ended')
  await until('its process to end', () => checksOf(file).length === 0)
})

test('a check whose process cannot be started fails at once, and leaves no timer', async () => {
  const { execPath } = process
  process.execPath = '/nowhere/node'
  onTestFinished(() => {
    process.execPath = execPath
  })
  const timers = (): number => process.getActiveResourcesInfo().filter((one) => one === 'Timeout').length
  const abort = new AbortController()
  const before = timers()
  await expect(checkApart('gateway.json', { signal: abort.signal })).rejects.toThrow('ENOENT')
  expect(timers()).toBe(before)
  expect(getEventListeners(abort.signal, 'abort')).toEqual([])
})

test('a check knows no variables but those that the configuration names', async () => {
  for (const name of ['POSTERN_TEST_NAMED', 'POSTERN_TEST_OTHER']) {
    process.env[name] = `value-of-${name}`
    onTestFinished(() => {
      delete process.env[name]
    })
  }
  const file = hangingFolder()
  const abort = new AbortController()
  const checked = checkApart(file, { signal: abort.signal })
  checked.catch(() => {})
  const [pid] = await until('its process to begin', () => {
    const found = checksOf(file)
    return found.length === 1 && found
  })
  const names = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
  abort.abort()
  const ofNode = ['NODE_CHANNEL_FD', 'NODE_CHANNEL_SERIALIZATION_MODE', 'NODE_COMPILE_CACHE', 'NODE_OPTIONS']
  const known = [...ofNode, 'LD_LIBRARY_PATH', 'ESBUILD_BINARY_PATH', 'NODE_V8_COVERAGE', '']
  expect(names.map((text) => text.replace(/=.*/s, '')).filter((name) => !known.includes(name))).toEqual([])

  const named = { plugin: 'key-auth', options: { keys: { ['$'.concat('{env:POSTERN_TEST_NAMED}')]: 'ann' } } }
  const folder = gatewayFolder(httpConfig([1], { listeners: { web: { policies: ['k'] } } }), {
    // With a byte order mark, as some editors write it.
    'policies/k.json': `\ufeff${JSON.stringify(named)}`,
  })
  const { result } = await checkApart(join(folder, 'gateway.json'))
  expect(result).toMatchObject({ rest: { secrets: [{ value: 'value-of-POSTERN_TEST_NAMED' }] } })
})

test('a reload whose check hangs does not keep the next one from being put in force', async () => {
  const folder = gatewayFolder(httpConfig([1]))
  const file = join(folder, 'gateway.json')
  const log = new Log({ write: () => {} })
  const supervisor = new Supervisor({ config: file, workers: 1, log, checkDeadline: 15_000 })
  onTestFinished(() => supervisor.close())
  await supervisor.start()
  mkdirSync(join(folder, 'plugins/x'), { recursive: true })
  writeFileSync(join(folder, 'plugins/x/index.ts'), plugin)
  execFileSync('mkfifo', [join(folder, 'plugins/x/package.json')])
  writeFileSync(file, JSON.stringify(config()))
  const first = supervisor.reload()
  first.catch(() => {})
  await until('its check to begin', () => checksOf(file).length === 1)
  const second = supervisor.reload()
  await expect(first).rejects.toThrow('took more than 15 s and was ended')
  const routes = { second: { listener: 'web', match: { path: '/second' }, upstream: 'app' } }
  writeFileSync(file, JSON.stringify(httpConfig([1], { routes })))
  await second
  expect(supervisor.routes('web')).toBe(2)
})
