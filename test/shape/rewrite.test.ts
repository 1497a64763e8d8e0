import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { RewriteConfig } from '../../core/config/types.ts'
import type { FlowFacts } from '../../core/hooks/scopes.ts'
import { Fields } from '../../core/http/fields.ts'
import { captured, capturesOf } from '../../core/route/captures.ts'
import { HeaderEdits } from '../../core/shape/header-edits.ts'
import { mapBack } from '../../core/shape/map-back.ts'
import { Rewrite } from '../../core/shape/rewrite.ts'
import { factsOf } from '../../core/testing/facts.ts'

function cases<T>(name: string): T[] {
  return JSON.parse(readFileSync(new URL(`../cases/shape/${name}.json`, import.meta.url), 'utf8')) as T[]
}

function flowOf(target: string, match: string, headers: Readonly<Record<string, string>> = {}): FlowFacts {
  const [path = '', query] = target.split('?')
  const host = 'shop.example'
  const facts = factsOf({ request: { path, host, headers, ...(query !== undefined && { query }) } }, 'onRequest', 'L7')
  const capture = (name: string): string | undefined => captured(path, capturesOf(match), name)
  return { ...facts, request: { ...facts.request!, capture } }
}

interface RewriteCase {
  readonly rewrite: Partial<RewriteConfig>
  readonly match: string
  readonly target: string
  /** `null`: the request is refused. */
  readonly to: string | null
  readonly host?: string
  readonly headers?: Record<string, string>
}

test.each(cases<RewriteCase>('rewrite').map((one) => ({ ...one, name: JSON.stringify(one.rewrite) })))(
  '$target with $name becomes $to',
  ({ rewrite, match, target, to, host, headers }) => {
    const made = new Rewrite({ host: 'client', ...rewrite })
    const sent = { full: target, authority: 'shop.example', isPlain: true }
    const result = made.apply(flowOf(target, match, headers), sent, '10.0.0.1:80')
    expect('problem' in result ? null : result.full).toBe(to)
    if (host !== undefined) expect(result).toHaveProperty('authority', host)
  },
)

interface BackCase {
  readonly rewrite: Partial<RewriteConfig>
  readonly field: [string, string]
  readonly to: string
  readonly client?: string
}

test.each(cases<BackCase>('map-back').map((one) => ({ ...one, name: JSON.stringify(one.rewrite) })))(
  '$field of a response with $name becomes $to',
  ({ rewrite, field, to, client = 'shop.example' }) => {
    const made = new Rewrite({ host: 'client', ...rewrite })
    const fields = new Fields([...field])
    mapBack(flowOf('/api/x', '/api/*'), fields, {
      client: { scheme: 'https', authority: client },
      backend: { scheme: 'http', authorities: ['10.0.0.1:80', made.host === 'client' ? client : made.host] },
      rewrite: made,
    })
    expect(fields.list).toEqual([field[0], to])
  },
)

test('a value of a header keeps its octets, also NBSP as the last one of a letter, and loses the blanks around it', () => {
  const fields = new Fields()
  const flow = flowOf('/', '/', { 'x-city': ' città\t' })
  new HeaderEdits({ set: { 'x-city': '{header:x-city}' } }).apply(flow, fields)
  expect(fields.text('x-city')).toBe('città')
})

test('a server name that a proxy tells stays in its line', () => {
  const fields = new Fields()
  const flow = { ...flowOf('/', '/'), tls: { serverName: 'ačĊx-admin: 1' } }
  new HeaderEdits({ set: { 'x-name': '{tls.serverName}' } }).apply(flow as unknown as FlowFacts, fields)
  expect(fields.list[1]).toMatch(/^[\x20-\xff]+$/)
})

test('the prefix is made once for a response, however many cookies it sets', () => {
  const made = new Rewrite({ host: 'client', addPrefix: '/v2/{header:x-tenant}', stripPrefix: '/api' })
  const flow = flowOf('/api/x', '/api/*')
  let reads = 0
  const counted: FlowFacts = {
    ...flow,
    get request() {
      reads++
      return flow.request
    },
  }
  const cookies = Array.from({ length: 100 }, () => ['set-cookie', 'a=1; Path=/v2/; Path=/v2/b; Path=/c'])
  mapBack(counted, new Fields(cookies.flat()), {
    client: { scheme: 'https', authority: 'shop.example' },
    backend: { scheme: 'http', authorities: ['10.0.0.1:80'] },
    rewrite: made,
  })
  expect(reads).toBe(1)
})
