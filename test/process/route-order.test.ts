import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deserialize, serialize } from 'node:v8'
import { expect, onTestFinished, test } from 'vitest'
import { checkConfig } from '../../core/check/check.ts'
import type { CheckedConfig } from '../../core/config/checked.ts'
import { Fields } from '../../core/http/fields.ts'
import { applyChanges, changesBetween } from '../../core/process/config-changes.ts'
import { type PackedConfig, packConfig } from '../../core/process/packed-config.ts'
import { routeTable } from '../../core/route/table.ts'
import { atOnce } from '../helpers/at-once.ts'

const listing = {
  '2': { listener: 'web', match: { headers: { version: 'two' } }, reply: { body: '' } },
  '10': { listener: 'web', match: { headers: { color: 'blue' } }, reply: { body: '' } },
  a: { listener: 'web', match: { headers: { a: '1' } }, reply: { body: '' } },
}
type Name = keyof typeof listing

/** The text of a configuration: in an object, keys like `"2"` would come first. */
function text(order: readonly Name[]): string {
  const routes = order.map((name) => `"${name}": ${JSON.stringify(listing[name])}`)
  return `{ "listeners": { "web": { "port": 80 } }, "routes": { ${routes.join()} } }`
}

async function checked(order: readonly Name[]): Promise<CheckedConfig> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-order-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'gateway.json'), text(order))
  const result = await checkConfig(join(folder, 'gateway.json'))
  if (!result.ok) throw new Error(JSON.stringify(result.problems))
  const [first, second, third] = order
  const warned = (earlier: Name, later: Name): object => ({
    message: expect.stringMatching(
      `^routes "${earlier}" and "${later}" both match .* "${earlier}" is written first and serves`,
    ),
  })
  expect(result.warnings).toMatchObject([warned(first!, second!), warned(first!, third!)])
  return result
}

test('equal routes are served in the order written, in a worker and after reloads that only change the order', async () => {
  let before: PackedConfig | undefined
  let there: CheckedConfig | undefined
  for (const order of [
    ['a', '10', '2'],
    ['10', '2', 'a'],
    ['2', 'a', '10'],
    ['a', '2', '10'],
  ] as const) {
    const after = deserialize(serialize(packConfig(await checked(order)))) as PackedConfig
    there = atOnce(applyChanges(there, deserialize(serialize(changesBetween(before, after)))))
    before = after
    const table = atOnce(routeTable(Object.entries(there.config.routes).map(([name, route]) => ({ name, ...route }))))
    const find = (fields: string[]): string | undefined =>
      table.find({ host: 'x', path: '/', query: '', method: 'GET', fields: new Fields(fields) })?.name
    expect(find(['version', 'two', 'color', 'blue', 'a', '1'])).toBe(order[0])
    expect(find(['version', 'two'])).toBe('2')
    const last = order.slice(1)
    const without = {
      a: ['version', 'two', 'color', 'blue'],
      2: ['color', 'blue', 'a', '1'],
      10: ['version', 'two', 'a', '1'],
    }
    expect(find(without[order[0]])).toBe(last[0])
  }
})
