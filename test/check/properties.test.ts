import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { type CheckResult, checkConfig } from '../../core/check/check.ts'
import { fakeLoader } from './fake-loader.ts'
import { plainLine } from './plain-line.ts'

const folder = mkdtempSync(join(tmpdir(), 'postern-config-'))
const file = join(folder, 'gateway.json')

afterAll(() => rmSync(folder, { recursive: true, force: true }))

const sound = {
  listeners: {
    web: { port: 8080, trustedProxies: ['10.0.0.0/8'], policies: ['p'], timeouts: { head: '5s' } },
    db: { protocol: 'tcp', port: 5432 },
  },
  routes: {
    orders: {
      listener: 'web',
      match: { host: 'a.example', path: '/orders/*', methods: ['GET'], headers: { 'x-a': '1' } },
      policies: ['p'],
      upstream: 'app',
      timeout: '10s',
    },
    moved: { listener: 'web', reply: { redirect: 'https://{host}{path}{query}', status: 301 } },
    db: { listener: 'db', upstream: 'db' },
  },
  upstreams: {
    app: { backends: [{ address: '10.0.0.1:80', weight: 2 }], health: { path: '/healthz' }, timeouts: { idle: '1m' } },
    db: { protocol: 'tcp', backends: [{ address: '[::1]:5433' }], health: false },
  },
  policies: { p: { plugin: 'key-auth', options: { keys: { a: 'b' } } } },
  plugins: { 'key-auth': { limits: { memory: '128MB' } } },
  log: { level: 'warn' },
  drain: '10s',
}

const strange = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(
    '',
    '__proto__',
    'constructor',
    '$'.concat('{env:NOPE}'),
    '${',
    '*',
    '/*',
    '[::]:1',
    '0s',
    'tcp',
    'http',
    [],
    {},
    null,
  ),
)

test('whatever JSON a file holds, the result is a list of problems or a configuration, never a throw', async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue({ maxDepth: 4 }), async (value) => {
      expectLines(await run(value))
    }),
  )
})

test('a sound configuration with any part replaced or removed is accepted or refused, never a throw', async () => {
  expect(await run(sound)).toMatchObject({ ok: true, warnings: [] })
  const paths = pathsOf(sound)
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom(...paths), fc.option(strange, { nil: undefined })), {
        minLength: 1,
        maxLength: 3,
      }),
      async (changes) => {
        const copy = structuredClone(sound) as unknown as Record<string, unknown>
        for (const [path, value] of changes) put(copy, path, structuredClone(value))
        expectLines(await run(copy))
      },
    ),
    { numRuns: 200 },
  )
})

test('an unknown field is refused wherever it stands', async () => {
  const objects = pathsOf(sound).filter((path) => isPlain(at(sound, path)) && !isTable(path))
  for (const path of [[], ...objects]) {
    const copy = structuredClone(sound) as unknown as Record<string, unknown>
    put(copy, [...path, 'zzzzzz'], 1)
    const result = await run(copy)
    expect(result.ok ? [] : result.problems.map(plainLine)).toEqual([
      expect.stringContaining('there is no field "zzzzzz" here'),
    ])
  }
})

async function run(value: unknown): Promise<CheckResult> {
  writeFileSync(file, JSON.stringify(value))
  return await checkConfig(file, { env: {}, loader: fakeLoader })
}

function expectLines(result: CheckResult): void {
  if (result.ok) return
  expect(result.problems.length).toBeGreaterThan(0)
  const lines = result.problems.map(plainLine)
  expect(new Set(lines).size).toBe(lines.length)
  for (const line of lines) expect(line).not.toMatch(/[\r\n]|undefined|\[object/)
}

function pathsOf(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, item]) => {
    const below = [...path, Array.isArray(value) ? Number(key) : key]
    return [below, ...pathsOf(item, below)]
  })
}

/** Objects whose keys are names that the user chooses. */
function isTable(path: readonly (string | number)[]): boolean {
  return path.length === 1 ? path[0] !== 'log' : ['headers', 'keys'].includes(String(path.at(-1)))
}

function isPlain(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function at(value: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((part, key) => (part as Record<string | number, unknown>)?.[key], value)
}

function put(root: Record<string, unknown>, path: readonly (string | number)[], value: unknown): void {
  const owner = at(root, path.slice(0, -1))
  if (typeof owner !== 'object' || owner === null) return
  if (value === undefined) delete (owner as Record<string | number, unknown>)[path.at(-1)!]
  else (owner as Record<string | number, unknown>)[path.at(-1)!] = value
}
