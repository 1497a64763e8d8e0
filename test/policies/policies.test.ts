import { readdirSync, readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import { describe, expect, test } from 'vitest'
import { firstParty, load, names } from './first-party.ts'

const folder = new URL('../../policies/', import.meta.url)
const files = readdirSync(folder)
const published = JSON.parse(readFileSync(new URL('../../sdk/schemas/policy.json', import.meta.url), 'utf8'))
const upstreams = ['orders', 'users', 'users-beta']

test('every file is a policy named by its intent, and every plugin has one', () => {
  for (const file of files) expect(file).toMatch(/^[a-z]+(-[a-z]+)*\.json$/)
  expect([...new Set(files.map((file) => read(file).plugin))].sort()).toEqual([...names].sort())
})

describe.each(files)('%s', async (file) => {
  const policy = read(file)
  const plugin = await firstParty(policy.plugin)

  test('is a policy as the published schema has it, and says what it is for', () => {
    const ajv = new Ajv({ formats: { name: true } })
    expect(ajv.validate(published, policy), ajv.errorsText()).toBe(true)
    expect(policy.description).toMatch(/^[A-Z].*\.$/)
    expect(policy.onFailure).toBeDefined()
  })

  test('fits its plugin', () => {
    expect(() => load(plugin, policy.options)).not.toThrow()
  })

  test('names upstreams of the example only', () => {
    const named = JSON.stringify(policy.options).matchAll(/"upstream":"([^"]*)"/g)
    for (const [, upstream] of named) expect(upstreams).toContain(upstream)
  })

  test('refers to no environment variable: the example runs as it is', () => {
    expect(readFileSync(new URL(file, folder), 'utf8')).not.toContain('${')
  })
})

test('policies that guard a door say that they fail closed', () => {
  for (const file of files) {
    const { plugin, onFailure } = read(file)
    if (plugin === 'key-auth' || plugin === 'ip-restriction') expect(onFailure).toBe('reject')
  }
})

interface Policy {
  readonly description: string
  readonly plugin: string
  readonly options: unknown
  readonly onFailure: string
}

function read(file: string): Policy {
  return JSON.parse(readFileSync(new URL(file, folder), 'utf8'))
}
