import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { firstParty, folder, load, names } from './first-party.ts'

interface Option {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly items?: Option
  readonly properties?: Readonly<Record<string, Option>>
  readonly required?: readonly string[]
  readonly additionalProperties?: unknown
}

describe.each(names)('README of %s', async (name) => {
  const plugin = await firstParty(name)
  const schema = plugin.options as Option
  const readme = readFileSync(new URL(`${name}/README.md`, folder), 'utf8')

  test('is named after the plugin, as its folder is', () => {
    expect(plugin.name).toBe(name)
    expect(readme.startsWith(`# ${name}\n\n`)).toBe(true)
  })

  test('has a table that says what the schema says', () => {
    expect(tableOf(readme)).toEqual(rowsOf(schema, ''))
  })

  test('shows a policy that can be loaded', () => {
    const policy = JSON.parse(block(readme, 'json'))
    expect(policy.plugin).toBe(name)
    expect(() => load(plugin, policy.options)).not.toThrow()
  })

  test('shows a request and what it prints', () => {
    expect(block(readme, 'console')).toMatch(/^\$ .*\bcurl .*\n.+/)
  })

  test('speaks of failure and limits', () => {
    expect(readme).toContain('**On failure**')
    expect(readme).toContain('**Limits.**')
  })

  test('every object of the schema is closed', () => {
    for (const option of objectsOf(schema)) {
      expect(option.properties === undefined ? typeof option.additionalProperties : option.additionalProperties).toBe(
        option.properties === undefined ? 'object' : false,
      )
    }
  })
})

/** Rows as `[name, type, default, meaning]`; the options of a list's items stand as `list[].option`. */
function rowsOf(schema: Option, prefix: string): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, option]) => {
    const type = option.type === 'array' ? `${option.items?.type}[]` : option.type
    const written = option.default === undefined ? '—' : `\`${JSON.stringify(option.default)}\``
    const row = [
      `\`${prefix}${name}\``,
      type ?? '',
      schema.required?.includes(name) ? 'required' : written,
      option.description ?? 'no description',
    ]
    return [row, ...rowsOf(option.items ?? {}, `${prefix}${name}[].`)]
  })
}

function tableOf(readme: string): string[][] {
  const lines = readme.split('\n').filter((line) => line.startsWith('|'))
  return lines.slice(2).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

function objectsOf(schema: Option): Option[] {
  const inner = [...Object.values(schema.properties ?? {}), ...(schema.items === undefined ? [] : [schema.items])]
  return [...(schema.type === 'object' ? [schema] : []), ...inner.flatMap(objectsOf)]
}

function block(readme: string, language: string): string {
  const found = readme.split(`\`\`\`${language}\n`)[1]?.split('\n```')[0]
  if (found === undefined) throw new Error(`no ${language} block`)
  return found
}
