import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { normalizeScopes } from '../../core/check/scopes.ts'
import type { HookFlow } from '../../core/hooks/chain.ts'
import type { Policy } from '../../core/hooks/policy.ts'
import type { FlowFacts } from '../../core/hooks/scopes.ts'
import { isTriggered } from '../../core/hooks/walk.ts'
import { compileWhen } from '../../core/hooks/when.ts'
import { factsOf } from '../../core/testing/facts.ts'
import type { TestTls } from '../../core/testing/test-flow.ts'
import type { When } from '../../sdk/when.ts'
import cases from '../cases/hooks/when.json' with { type: 'json' }

interface Case {
  readonly name: string
  readonly when: When
  readonly matches: readonly Request[]
  readonly skips: readonly Request[]
}

interface Request {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly tls?: TestTls
}

function flowOf({ tls, ...request }: Request): FlowFacts {
  return factsOf({ request, ...(tls && { tls }) }, 'onRequest', 'L7')
}

describe.each(cases as readonly Case[])('$name', ({ when, matches, skips }) => {
  const { scopes, wrong } = normalizeScopes({ reads: [], writes: [], when })
  const compiled = compileWhen(scopes.when!)

  test('is valid', () => {
    expect(wrong).toEqual([])
  })

  test.each(matches)('runs for %j', (request) => {
    expect(compiled.matches(flowOf(request))).toBe(true)
  })

  test.each(skips)('is skipped for %j', (request) => {
    expect(compiled.matches(flowOf(request))).toBe(false)
  })
})

test('where there is no request, it always runs', () => {
  const { matches } = compileWhen({ methods: ['GET'], paths: ['/a'], headers: ['x-a'] })
  expect(matches(factsOf({}, 'onConnect', 'L4'))).toBe(true)
  expect(matches(factsOf({}, 'onClose', 'L4'))).toBe(true)
  expect(matches(factsOf({}, 'onConnect', 'L7'))).toBe(true)
})

test('where there is no request, the connection still counts', () => {
  const { matches } = compileWhen({ methods: ['GET'], tls: { serverName: ['a.example'] } })
  for (const layer of ['L4', 'L7'] as const) {
    expect(matches(factsOf({ tls: { serverName: 'a.example' } }, 'onConnect', layer))).toBe(true)
    expect(matches(factsOf({ tls: { serverName: 'b.example' } }, 'onConnect', layer))).toBe(false)
    expect(matches(factsOf({}, 'onConnect', layer))).toBe(false)
  }
})

test('a probe has no client, and its hook runs whatever the trigger says', () => {
  const policy = { when: compileWhen({ tls: { client: { verified: true } } }) } as unknown as Policy
  const host = { facts: factsOf({}, 'checkHealth', 'L7') } as unknown as HookFlow
  expect(isTriggered(host, 'checkHealth', policy)).toBe(true)
  expect(isTriggered(host, 'onClose', policy)).toBe(false)
})

test('one matching interpretation of a path is enough: a policy protects whatever a backend may read', () => {
  const { matches } = compileWhen({ paths: ['/files/secret/*', '/exact'] })
  const flow = (...interpretations: string[]): FlowFacts => {
    const facts = factsOf({ request: { path: '/files/secret%2Fa' } }, 'onRequest', 'L7')
    return { ...facts, request: { ...facts.request!, interpretations } }
  }
  expect(matches(flow('/files/secret%2Fa', '/files/secret/a'))).toBe(true)
  expect(matches(flow('/files/b%2Fa', '/exact'))).toBe(true)
  expect(matches(flow('/files/b%2Fa', '/files/b/a'))).toBe(false)
})

test('it lists the scopes that it depends on', () => {
  expect(compileWhen({}).reads).toEqual([])
  expect(compileWhen({ methods: ['GET'], paths: ['/a', '/b/*'], headers: ['x-a', 'x-b'] }).reads).toEqual([
    'method',
    'path',
    'header:x-a',
    'header:x-b',
  ])
  const tls = { serverName: ['a'], version: ['1.3'], client: { verified: true, san: ['DNS:a'] } } as const
  expect(compileWhen({ tls }).reads).toEqual([
    ...['tls.serverName', 'tls.version', 'tls.client.verified', 'tls.client.san'],
  ])
  expect(compileWhen({ tls: { client: { subject: ['CN=a'] } } }).reads).toContain('tls.client.subject')
})

test('a header counts as an earlier policy left it', () => {
  const { matches } = compileWhen({ headers: ['x-a'] })
  const flow = flowOf({})
  expect(matches(flow)).toBe(false)
  flow.request!.fields.set('x-a', '')
  expect(matches(flow)).toBe(true)
  flow.request!.fields.delete('x-a')
  expect(matches(flow)).toBe(false)
})

test('an invalid trigger is refused, with what to write instead', () => {
  const when = { methods: ['get', 'G T'], paths: ['a', '/a*', '/a?b'], headers: ['x y'] }
  expect(normalizeScopes({ reads: [], writes: [], when }).wrong).toEqual([
    'has an invalid trigger: when.methods: methods are case-sensitive; write "GET"',
    'has an invalid trigger: when.methods: "G T" is not a method',
    'has an invalid trigger: when.paths: "a" is not a path; a path begins with "/"',
    'has an invalid trigger: when.paths: "/a*" has a "*" in the wrong position; it is allowed only at the end, after a "/", as in "/orders/*"',
    'has an invalid trigger: when.paths: "/a?b" has a query or fragment; match query parameters with "query"',
    'has an invalid trigger: when.headers: "x y" is not a valid header or cookie name',
  ])
  const empty = { methods: [], paths: [], headers: [] }
  expect(normalizeScopes({ reads: [], writes: [], when: empty }).wrong).toEqual([
    'has a trigger that never matches: when.methods is empty; leave it out',
    'has a trigger that never matches: when.paths is empty; leave it out',
    'has a trigger that never matches: when.headers is empty; leave it out',
  ])
})

test('an invalid trigger of TLS is refused, with what to write instead', () => {
  const tls = {
    serverName: ['a:443', '*'],
    version: ['1.4'] as unknown as ['1.3'],
    cipher: [],
    client: { serial: ['0x1'], san: ['a.example'], fingerprint: ['ab'], subject: [''] },
  }
  expect(normalizeScopes({ reads: [], writes: [], when: { tls } }).wrong).toEqual([
    'has an invalid trigger: when.tls.serverName: "a:443" has a port; a route matches only the host name',
    'has an invalid trigger: when.tls.serverName: a wildcard is allowed only as the whole leftmost label, as in "*.example.com"',
    'has an invalid trigger: when.tls.version: "1.4" is not a version of TLS; write "1.2" or "1.3"',
    'has a trigger that never matches: when.tls.cipher is empty; leave it out',
    'has an invalid trigger: when.tls.client.subject: an entry is empty',
    'has an invalid trigger: when.tls.client.serial: "0x1" is not a hexadecimal number',
    'has an invalid trigger: when.tls.client.san: "a.example" is not an alternative name; write its kind first: "DNS:a.example", "URI:spiffe://example/a", "email:a@b.example", "IP:192.0.2.1"',
    'has an invalid trigger: when.tls.client.fingerprint: "ab" is not a SHA-256 fingerprint; write 64 hexadecimal digits',
  ])
  expect(normalizeScopes({ reads: [], writes: [], when: { tls: {} } }).wrong).toEqual([
    'has a trigger without effect: when.tls is empty; leave it out',
  ])
  expect(normalizeScopes({ reads: [], writes: [], when: { tls: { client: {} } } }).wrong).toEqual([
    'has a trigger without effect: when.tls.client is empty; write verified: true',
  ])
})

test('every part given must hold, and of each part one entry', () => {
  const segment = fc.constantFrom('a', 'b', 'c')
  const path = fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join('/')}`)
  const request = fc.record({
    method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT'),
    path,
    names: fc.subarray(['x-a', 'x-b', 'x-c']),
  })
  const when = fc.record(
    {
      methods: fc.subarray(['GET', 'POST', 'PUT'], { minLength: 1 }),
      paths: fc.array(fc.tuple(path, fc.boolean()), { minLength: 1, maxLength: 3 }),
      headers: fc.subarray(['x-a', 'x-b', 'x-c'], { minLength: 1 }),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(request, when, ({ method, path, names }, { methods, paths, headers }) => {
      const texts = paths?.map(([text, below]) => (below ? `${text}/*` : text))
      const flow = flowOf({ method, path })
      for (const name of names) flow.request!.fields.append(name, '1')
      const expected =
        (methods === undefined || methods.includes(method === 'HEAD' ? 'GET' : method)) &&
        (paths === undefined || paths.some(([text, below]) => (below ? path.startsWith(`${text}/`) : path === text))) &&
        (headers === undefined || headers.some((name) => names.includes(name)))
      expect(compileWhen({ methods, paths: texts, headers }).matches(flow)).toBe(expected)
    }),
  )
})

test.each(['json', 'text', '*/*', '*/json', 'text/', 'text/*/x', 'text/html; charset=utf-8', 'application/**', ''])(
  'a response type that no response can have is refused: %j',
  (type) => {
    const { wrong } = normalizeScopes({ reads: [], writes: [], when: { responseTypes: ['text/html', type] } })
    expect(wrong).toEqual([expect.stringContaining('is not a media type; write one such as "application/json"')])
  },
)

test('response types are compared without parameters and case', () => {
  const { scopes } = normalizeScopes({
    reads: [],
    writes: [],
    when: { responseTypes: ['Text/*', 'application/*+JSON'] },
  })
  const { takesResponse } = compileWhen(scopes.when!)
  const takes = (type: string): boolean =>
    takesResponse(factsOf({ response: { headers: { 'content-type': type } } }, 'onResponse', 'L7').response)
  expect(
    ['text/html', 'TEXT/Plain;charset=x', ' text/css , text/html', 'application/ld+json; a=b'].filter(takes),
  ).toHaveLength(4)
  expect(
    ['', 'text', 'application/json', 'application/json+x', 'xtext/html', 'application/ld+jsonx'].filter(takes),
  ).toEqual([])
  expect(takesResponse(undefined)).toBe(true)
})
