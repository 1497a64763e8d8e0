import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { createGrantHost } from '../../core/grants/grant-host.ts'
import { openInspector } from '../../core/sandbox/inspect.ts'
import { defaultLimits } from '../../core/sandbox/limits.ts'
import type { Instance, Manifest, PluginCode, Run, Sandbox, Verdict } from '../../core/sandbox/plugin.ts'
import { createSandbox } from '../../core/sandbox/sandbox.ts'
import { encodeField, encodeItems, flagsOf, UNIT } from '../../core/sandbox/wire.ts'
import type { HookName } from '../../sdk/points.ts'
import cases from '../fixtures/golden/abi-1/cases.json' with { type: 'json' }
import verdicts from '../fixtures/golden/abi-1/verdicts.json' with { type: 'json' }
import { seen } from './harness.ts'

interface Case {
  readonly name: string
  readonly plugin: string
  readonly hook: string
  readonly options?: unknown
  readonly state?: string
  /** Those with neither are absent. */
  readonly fields: readonly { readonly name: string; readonly value?: string; readonly items?: readonly string[] }[]
  readonly limits?: { readonly time: number }
}

let sandbox: Sandbox | undefined
afterEach(() => sandbox?.close())

const folder = new URL('../fixtures/golden/abi-1/', import.meta.url)

function codeOf(name: string): PluginCode {
  const script = readFileSync(new URL(`${name}.js`, folder), 'utf8')
  const manifest: Manifest = JSON.parse(readFileSync(new URL(`${name}.manifest.json`, folder), 'utf8'))
  const map = JSON.stringify({ version: 3, sources: [], names: [], mappings: '' })
  return { name, file: `/${name}.ts`, publisher: 'golden', script, map, hash: name, manifest }
}

test.each([...new Set(cases.map(({ plugin }) => plugin))])(
  '%s says of itself what it said when it was built',
  (name) => {
    const { script, manifest } = codeOf(name)
    const inspector = openInspector(script)
    // More may be asked of a plugin today than then.
    expect(inspector.manifest).toMatchObject(manifest)
    inspector.close()
  },
)

describe.each(['as a run', 'by itself'])('abi 1, %s:', (how) => {
  test.each(cases as readonly Case[])('$name', async (one) => {
    expect(await verdictOf(one, how === 'as a run')).toEqual((verdicts as Record<string, unknown>)[one.name])
  })
})

function verdictOf(one: Case, isRun: boolean): Promise<Verdict> {
  const { plugin, hook, options = {}, state, fields, limits } = one
  const instance: Instance = {
    policy: 'p',
    plugin: codeOf(plugin),
    options,
    fields: { [hook]: fields.map(({ name }) => name) },
    limits: { ...defaultLimits, ...limits },
    group: 'golden',
  }
  sandbox = createSandbox({ instances: [instance], grants: createGrantHost() })
  const values = fields.map(({ value, items }) => (items ? encodeItems(items) : encodeField(value)))
  const input = ['L7', encodeField(state), ...values].join(UNIT)
  const run: Run = {
    hook: hook as HookName,
    fields: values.length,
    members: [{ instance: 0, fields: [...values.keys()], written: [], writes: seen }],
  }
  const own = state === undefined ? values : [...values, encodeField(state)]
  const text = flagsOf('L7', state !== undefined) + own.map((value) => value + UNIT).join('')
  return new Promise((resolve) => {
    const settle = (_step: number, settled: Verdict): boolean => {
      resolve(settled)
      return false
    }
    const call = { hook: hook as HookName, flow: 'f', steps: [{ instance: 0, input }], settle }
    sandbox?.call(isRun ? { ...call, run, text } : call)
  })
}
