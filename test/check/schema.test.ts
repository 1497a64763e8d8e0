import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { afterAll, expect, test, vi } from 'vitest'
import { formats } from '../../core/check/formats.ts'
import { readSchema } from '../../core/check/gateway-schema.ts'
import { check } from '../../core/cli/check.ts'
import { schema } from '../../core/cli/schema.ts'
import { listenerProtocols, upstreamProtocols } from '../../core/config/protocols.ts'

const folder = mkdtempSync(join(tmpdir(), 'postern-schema-'))
const file = join(folder, 'gateway.json')
const sound = {
  listeners: { web: { port: 8080 } },
  routes: { all: { listener: 'web', upstream: 'app' } },
  upstreams: { app: { backends: [{ address: '127.0.0.1:3000' }] } },
}

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('the published schemas are schemas', () => {
  for (const name of ['gateway', 'policy'] as const) expect(new Ajv().validateSchema(readSchema(name))).toBe(true)
})

test('every field of the published schemas is described, and optional ones say their default', () => {
  for (const name of ['gateway', 'policy'] as const) {
    for (const [path, field, required] of fieldsOf(readSchema(name), name)) {
      expect(field.description, `${path} has a description`).toBeTypeOf('string')
      const said = 'default' in field || required || /Default: /.test(String(field.description))
      const named = /\.(description|\$schema|listeners|reply|upstream|redirect|headers|query|cookies)$/.test(path)
      expect(said || named, `${path} says its default`).toBe(true)
    }
  }
})

test('formats have patterns beside them, so that editors find mistakes too, and let references pass', () => {
  const patterns = new Map<string, Set<string>>()
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    const { format, pattern, ...rest } = value as Record<string, unknown>
    if (typeof format === 'string') {
      const known = patterns.get(format) ?? new Set()
      patterns.set(format, known.add(String(pattern).replace(/\|\\\$\\\{$/, '')))
    }
    for (const part of Object.values(rest)) visit(part)
  }
  for (const name of ['gateway', 'policy'] as const) visit(readSchema(name))
  // Nearly any text; and names of headers, which the same places share with other formats.
  const without = ['header-match', 'header-value', 'cookie-match', 'header-match-name', 'probe-header', 'token']
  for (const name of without) patterns.delete(name)
  expect([...patterns].filter(([, of]) => of.size !== 1 || of.has('undefined'))).toEqual([])
  expect([...patterns.keys()].filter((name) => !(name in samples)).sort()).toEqual([])
  for (const [name, [good, bad]] of Object.entries(samples)) {
    const pattern = new RegExp([...(patterns.get(name) ?? [])][0]!, 'u')
    for (const text of good) {
      expect(formats[name]!.problem(text), `${name} ${text}`).toBeUndefined()
      expect(text, name).toMatch(pattern)
    }
    for (const text of bad) {
      expect(formats[name]!.problem(text), `${name} ${text}`).toBeDefined()
      expect(text, name).not.toMatch(pattern)
    }
  }
  const formatsOfJsonSchema = [
    'date',
    'time',
    'date-time',
    'duration',
    'email',
    'hostname',
    'ipv4',
    'ipv6',
    'uri',
    'regex',
  ]
  expect(formatsOfJsonSchema.filter((name) => patterns.has(name))).toEqual([])
})

/** Texts that a format takes and refuses, as does the pattern beside it. */
const samples: Readonly<Record<string, readonly [good: readonly string[], bad: readonly string[]]>> = {
  'postern-duration': [
    ['10s', '500ms', '1.5h'],
    ['ten seconds', 'PT10S', '10', '1 s'],
  ],
  size: [
    ['64MB', '0.5GB', '512KB'],
    ['64', '64 MB', '64mb'],
  ],
  'peer-range': [
    ['unix', '10.0.0.0/8', '::1', '2001:db8::/32'],
    ['', 'Unix', 'proxy.example', '10.0.0.0/8 ', 'unix:/run/a.sock'],
  ],
  cidr: [
    ['10.0.0.0/8', 'fd00::/8', '::1'],
    ['example.com', '10.0.0.0/x'],
  ],
  method: [
    ['GET', 'M-SEARCH'],
    ['GET POST', ''],
  ],
  'bind-address': [
    ['127.0.0.1', '::', 'fe80::1%eth0'],
    ['localhost', 'example.com', '127.0.0.1/8'],
  ],
  'host-match': [
    ['api.example.com', '*.example.com'],
    ['http://api.example.com', 'a b', ''],
  ],
  'server-name-match': [
    ['db.example.com', '*.example.com'],
    ['https://db.example.com', 'a b', ''],
  ],
  'path-match': [
    ['/orders', '/orders/*'],
    ['orders', '*'],
  ],
  redirect: [
    ['https://{host}{path}{query}', '/moved'],
    ['/a b', 'ä'],
  ],
  'source-address': [
    ['10.0.0.5', 'fd00::5'],
    ['eth0', 'app:80'],
  ],
  'retry-cause': [
    ['connect', 'reset', 'timeout', 'grpc:14'],
    ['503', 'grpc:0', 'grpc:17', 'refused'],
  ],
  payload: [
    ['ping', 'hex:00ff'],
    ['hex:', 'hex:0', 'hex:zz'],
  ],
  'request-path': [
    ['/healthz', '/a?b=c'],
    ['healthz', '/a b'],
  ],
  authority: [
    ['shop.example.com', 'a:8080'],
    ['http://a', 'a b'],
  ],
  'backend-address': [
    ['10.0.0.11:8080', '[fd00::1]:8080', '[fe80::1%eth0]:80', 'app:80', 'unix:/run/app.sock'],
    ['http://x', 'app', '10.0.0.11:8080/x', 'unix:app.sock'],
  ],
  'server-name': [
    ['app.internal', '10.0.0.5', 'fd00::1'],
    ['a b', 'https://a', ''],
  ],
  'public-name': [
    ['www.example.com', 'localhost', 'XN--BCHER-KVA.example'],
    ['*.example.com', 'b\u00fccher.example', 'a_b.example', 'fd00::1', ''],
  ],
  'email-address': [
    ['admin@example.com', '"a"@b'],
    ['admin', 'a b@c', 'a@b@c'],
  ],
  'https-url': [
    ['https://ca.example.com/directory', 'HTTPS://10.0.0.5:14000/dir'],
    ['http://ca.example.com', 'ca.example.com', 'https://a b'],
  ],
  origin: [
    ['https://id.example.com', 'HTTP://10.0.0.5:8080'],
    ['id.example.com', 'https://a/b', 'ftp://a'],
  ],
  'plugin-source': [
    ['./plugins/jwt/index.ts', '@scope/name', 'name', 'a.js', '/x/y.js', 'ä/x.ts', '.x/y.ts'],
    ['', ' x', '!x'],
  ],
  name: [
    ['orders-read', 'v1.2_x', '2'],
    ['A b', '-x', 'ä', 'x'.repeat(101)],
  ],
}

test('the schema knows the protocols of the table, for listeners and upstreams', () => {
  const { definitions } = readSchema('gateway') as {
    definitions: Record<'listener' | 'upstream', { properties: { protocol: { enum: string[] } } }>
  }
  expect(definitions.listener.properties.protocol.enum).toEqual(Object.keys(listenerProtocols))
  expect(definitions.upstream.properties.protocol.enum).toEqual(Object.keys(upstreamProtocols))
})

test('a policy is the same inline and in a file of its own', () => {
  const { definitions } = readSchema('gateway') as { definitions: { policy: { properties: object; required: object } } }
  const { properties, required } = readSchema('policy') as { properties: { $schema?: object }; required: object }
  const { $schema: _, ...rest } = properties
  expect(rest).toEqual(definitions.policy.properties)
  expect(required).toEqual(definitions.policy.required)
})

test('the printed schema knows the options of first-party, local and named plugins', async () => {
  const code = "import { definePlugin } from 'postern/sdk'\nexport default definePlugin(PLUGIN)\n"
  for (const [name, option] of Object.entries({ local: 'a', named: 'b' })) {
    const plugin = `{ name: '${name}', options: { type: 'object', additionalProperties: false, properties: { ${option}: { type: 'string' } } }, onRequest() {} }`
    mkdirSync(join(folder, name === 'local' ? 'plugins/local' : 'elsewhere'), { recursive: true })
    writeFileSync(
      join(folder, name === 'local' ? 'plugins/local/index.ts' : 'elsewhere/code.ts'),
      code.replace('PLUGIN', plugin),
    )
  }
  writeFileSync(file, JSON.stringify({ ...sound, plugins: { named: { source: './elsewhere/code.ts' } } }))
  const { exit, out, err } = await output(() => schema({ config: file }))
  expect({ exit, err }).toEqual({ exit: 0, err: '' })
  const validate = new Ajv({ strict: false, logger: false }).compile(JSON.parse(out) as object)
  const accepts = (plugin: string, options: object): boolean =>
    validate({ ...sound, policies: { p: { plugin, options } } }) as boolean
  expect(accepts('local', { a: 'x' })).toBe(true)
  expect(accepts('local', { b: 'x' })).toBe(false)
  expect(accepts('named', { b: 'x' })).toBe(true)
  expect(accepts('named', { a: 'x' })).toBe(false)
  expect(accepts('key-auth', { keys: { a: 'b' } })).toBe(true)
  expect(accepts('key-auth', { keyz: {} })).toBe(false)
  expect(accepts('one-that-comes-later', { any: 1 })).toBe(true)
})

test('check prints problems on stdout, a summary on stderr, and says by its exit code how it went', async () => {
  writeFileSync(file, JSON.stringify(sound))
  const good = await output(() => check({ config: file }))
  expect(good).toEqual({ exit: 0, out: `${file}: ok (1 listener, 1 route, 1 upstream, 0 policies)\n`, err: '' })
  expect(await output(() => check({ config: file, output: 'json' }))).toMatchObject({
    exit: 0,
    out: `${JSON.stringify({ problems: [], warnings: [], plugins: [] }, null, 2)}\n`,
  })

  writeFileSync(file, JSON.stringify({ ...sound, drain: 1, log: 2 }))
  const bad = await output(() => check({ config: file }))
  expect(bad.exit).toBe(3)
  expect(bad.out.trimEnd().split('\n')).toHaveLength(2)
  expect(bad.err).toBe(`2 problems in ${file}\n`)
  const json = await output(() => check({ config: file, output: 'json' }))
  expect((JSON.parse(json.out) as { problems: unknown }).problems).toMatchObject([
    { file, path: 'drain', line: 1 },
    { file, path: 'log', line: 1 },
  ])

  writeFileSync(file, JSON.stringify({ ...sound, listeners: { ...sound.listeners, idle: { port: 8081 } } }))
  const warned = await output(() => check({ config: file }))
  expect(warned).toMatchObject({ exit: 0, out: expect.stringMatching(/^warning: .*listeners\.idle: no route/) })
  const both = await output(() => check({ config: file, output: 'json', strict: true }))
  expect(both).toMatchObject({ exit: 3, err: expect.stringContaining(`1 warning in ${file}, and --strict\n`) })
  expect(JSON.parse(both.out)).toMatchObject({ problems: [], warnings: [{ file, path: 'listeners.idle', line: 1 }] })

  const missing = await output(() => check({ config: join(folder, 'nope.json') }))
  expect(missing.exit).toBe(3)
  expect(missing.out).toContain('nope.json: the file does not exist; -c or POSTERN_CONFIG names the configuration')
})

test('a check without secrets needs none in options, and says where it needs a value', async () => {
  const reference = (text: string): string => '$'.concat(`{${text}}`)
  const sticky = { plugin: 'sticky-cookie', options: { secret: reference('file:/no/such/secret') } }
  const upstreams = { app: { ...sound.upstreams.app, policies: ['sticky'] } }
  const config = (port: unknown): string =>
    JSON.stringify({ ...sound, upstreams, listeners: { web: { port } }, policies: { sticky } })

  writeFileSync(file, config(8080))
  expect(await output(() => check({ config: file }))).toMatchObject({ exit: 3 })
  expect(await output(() => check({ config: file, secrets: false }))).toMatchObject({ exit: 0 })
  writeFileSync(file, config(reference('env:POSTERN_TEST_UNSET')))
  const { exit, out } = await output(() => check({ config: file, secrets: false }))
  expect(exit).toBe(3)
  expect(out).toMatch(
    /:1:\d+ listeners\.web\.port: cannot be checked without the value of ".{2}env:POSTERN_TEST_UNSET}"/,
  )

  const routes = { options: { listener: 'web', upstream: reference('env:POSTERN_TEST_UNSET') } }
  writeFileSync(file, JSON.stringify({ ...sound, routes }))
  const named = await output(() => check({ config: file, secrets: false }))
  expect(named).toMatchObject({ exit: 3, out: expect.stringContaining('routes.options.upstream: cannot be checked') })
})

test('check says what each plugin reads, writes and uses, over all of its policies', async () => {
  const code = `import { definePlugin } from 'postern/sdk'
    export default definePlugin({
      name: 'geo',
      options: { type: 'object', properties: { header: { type: 'string' } }, required: ['header'] },
      reads: ({ header }) => [\`header:\${header}\`, 'client.ip'],
      writes: ['header:x-country'],
      needs: ['fetch', 'kv'],
      onRequest() {},
      onResponseBody() {},
    })`
  mkdirSync(join(folder, 'plugins/geo'), { recursive: true })
  writeFileSync(join(folder, 'plugins/geo/index.ts'), code)
  const policies = {
    one: { plugin: 'geo', options: { header: 'x-a' } },
    two: { plugin: 'geo', options: { header: 'x-b' } },
    keys: { plugin: 'key-auth', options: { keys: { a: 'ann' } } },
  }
  const routes = { all: { ...sound.routes.all, policies: ['keys', 'one', 'two'] } }
  const plugins = { geo: { fetch: ['https://geo.example.com'] } }
  writeFileSync(file, JSON.stringify({ ...sound, routes, policies, plugins }))
  const { out } = await output(() => check({ config: file }))
  expect(out.split('\n').filter((line) => line.startsWith('plugin '))).toEqual([
    'plugin geo: reads client.ip, header:x-a, header:x-b, response.body; writes header:x-country; uses fetch (https://geo.example.com), kv',
    'plugin key-auth: reads header:x-api-key; writes consumer, header:x-api-key, header:x-consumer; uses nothing',
  ])
  const json = await output(() => check({ config: file, output: 'json' }))
  const [geo] = (JSON.parse(json.out) as { plugins: unknown[] }).plugins
  expect(geo).toEqual({
    plugin: 'geo',
    file: join(folder, 'plugins/geo/index.ts'),
    policies: ['one', 'two'],
    reads: ['client.ip', 'header:x-a', 'header:x-b', 'response.body'],
    writes: ['header:x-country'],
    needs: ['fetch', 'kv'],
    fetch: ['https://geo.example.com'],
  })
})

test('what a plugin throws is shown and is still one problem, in text and in JSON', async () => {
  mkdirSync(join(folder, 'plugins/loud'), { recursive: true })
  writeFileSync(
    join(folder, 'plugins/loud/index.ts'),
    "throw new Error('\\x1b[2J\\u202e\\ngateway.json routes.all: forged')\nexport default {}\n",
  )
  const routes = { all: { ...sound.routes.all, policies: ['loud'] } }
  writeFileSync(file, JSON.stringify({ ...sound, routes, policies: { loud: { plugin: 'loud' } } }))
  const line = 'Error: \\u001b[2J\\u202e gateway.json routes.all: forged'
  const { out } = await output(() => check({ config: file }))
  expect(out).toBe(`${join(folder, 'plugins/loud/index.ts')}:1:7: ${line}\n`)
  const json = await output(() => check({ config: file, output: 'json' }))
  expect((JSON.parse(json.out) as { problems: unknown[] }).problems).toMatchObject([{ message: line, line: 1 }])
  const made = await output(() => schema({ config: file }))
  expect(made).toMatchObject({ exit: 4, err: out })
})

async function output(run: () => Promise<number>): Promise<{ exit: number; out: string; err: string }> {
  const text = { out: '', err: '' }
  const collect = (stream: 'out' | 'err') => (chunk: string | Uint8Array) => {
    text[stream] += String(chunk)
    return true
  }
  const out = vi.spyOn(process.stdout, 'write').mockImplementation(collect('out'))
  const err = vi.spyOn(process.stderr, 'write').mockImplementation(collect('err'))
  try {
    const exit = await run()
    return { exit, ...text }
  } finally {
    out.mockRestore()
    err.mockRestore()
  }
}

type Field = Readonly<Record<string, unknown>>

/** Every property that a schema names, with its path and whether it must be there. */
function* fieldsOf(schema: Field, path: string): Generator<[string, Field, boolean]> {
  const required = (schema.required ?? []) as string[]
  for (const [name, field] of Object.entries((schema.properties ?? {}) as Record<string, Field>)) {
    yield [`${path}.${name}`, field, required.includes(name)]
    yield* fieldsOf(field, `${path}.${name}`)
    yield* fieldsOf((field.items ?? {}) as Field, `${path}.${name}[]`)
  }
  for (const [name, definition] of Object.entries((schema.definitions ?? {}) as Record<string, Field>)) {
    yield* fieldsOf(definition, `${path}:${name}`)
  }
}
