import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { afterAll, expect, test, vi } from 'vitest'
import { readSchema } from '../../core/check/gateway-schema.ts'
import { check } from '../../core/cli/check.ts'
import { schema } from '../../core/cli/schema.ts'
import { protocols } from '../../core/config/protocols.ts'

const folder = mkdtempSync(join(tmpdir(), 'postern-schema-'))
const file = join(folder, 'gateway.json')
const sound = {
  listeners: { web: { port: 8080 } },
  routes: { all: { listener: 'web', upstream: 'app' } },
  upstreams: { app: { backends: [{ address: '127.0.0.1:3000' }] } },
}

afterAll(() => rmSync(folder, { recursive: true, force: true }))

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

test('the schema knows the protocols of the table, for listeners and upstreams', () => {
  const { definitions } = readSchema('gateway') as {
    definitions: Record<'listener' | 'upstream', { properties: { protocol: { enum: string[] } } }>
  }
  const names = Object.keys(protocols)
  expect(definitions.listener.properties.protocol.enum).toEqual(names)
  expect(definitions.upstream.properties.protocol.enum).toEqual(names)
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
