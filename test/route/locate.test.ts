import { posix } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PosternError } from '../../core/errors.ts'
import { compileWhen } from '../../core/hooks/when.ts'
import { Fields } from '../../core/http/fields.ts'
import { type Judge, type Located, locate } from '../../core/route/locate.ts'
import { type PathException, pathExceptions } from '../../core/route/path-exceptions.ts'
import { routeTable } from '../../core/route/table.ts'
import { atOnce } from '../helpers/at-once.ts'

interface Route {
  name: string
  match: { path?: string; methods?: string[] }
  config: { pathExceptions: readonly PathException[] }
  policies?: readonly Judge[]
}

/** Routes by path; a `!` in front names every exception. */
function routesOf(...paths: string[]): Route[] {
  return paths.map((path) => ({
    name: path,
    match: { path: path.replace('!', '') },
    config: { pathExceptions: path.startsWith('!') ? pathExceptions : [] },
  }))
}

function find(routes: readonly Route[], rawTarget: string, method = 'GET'): Located<Route> | PosternError {
  const routing = {
    routes: atOnce(routeTable(routes)),
    policiesOf: ({ policies = [] }: Route): readonly Judge[] => policies,
  }
  const request = { method, rawTarget, version: '1.1' as const, fields: new Fields(['host', 'a']) }
  return locate(routing, request, { scheme: 'http', trusted: false })
}

function nameOf(found: Located<Route> | PosternError): string | undefined {
  return found instanceof PosternError ? found.code : found.route?.name
}

const unnamed = [
  ...[
    '/a%2Fb',
    '/a//b',
    '//a',
    '/a;v=1/b',
    '/a%3Bb',
    '/%7Ea',
    '/%61',
    '/a%252Fb',
    '/caf%E9',
    '/%83e%83X%83g',
    '/C%23',
    '/what%3F',
    '/%D6%D0',
  ],
  ...['/caf\xc3\xa9', '/caf\xe9', '/%ed%a0%80', '/a//%E9;x'],
]

describe('a path that servers read differently', () => {
  test.each(unnamed)('%j is served as it came where every interpretation has the same route', (path) => {
    const found = find(routesOf('/*'), `${path}?q=%2F`) as Located<Route>
    expect(found.route?.name).toBe('/*')
    expect(found.target.full).toBe(`${path}?q=%2F`)
    expect(found.target.interpretations?.length).toBeGreaterThan(1)
  })

  test.each([
    ['/a%2Fb', '/a/*'],
    ['/a%252Fb', '/a/*'],
    ['/a//b', '/a/b'],
    ['/admin;x', '/admin'],
    ['/admin%3Fx', '/admin'],
    ['/admin%253Fx', '/admin'],
    ['/admin%23x', '/admin'],
    ['/admin%3Bx', '/admin'],
    ['/%61dmin', '/admin'],
    ['//evil.org/admin', '/admin'],
    ['/%2Fevil.org/admin', '/admin'],
    ['/caf%E9', '/caf\xe9'],
    ['/caf\xe9', '/caf\xe9'],
    ['/caf\xc3\xa9', '/caf\xc3\xa9'],
    ['/ad%FFmin', '/admin'],
    ['/ad\xffmin', '/admin'],
    ['/a%C0%AFb', '/a/b'],
    ['/a%c0%2fb', '/a/b'],
    ['/a%E0%80%AFb', '/a/b'],
    ['/a%F0%80%80%AFb', '/a/b'],
    ['/a%25C0%25AFb', '/a/b'],
  ])('%j is refused beside a route for %s, also with every exception', (path, guarded) => {
    for (const all of ['/*', '!/*']) {
      const found = find(routesOf(all, guarded, `!${guarded}`.replace('/*', '/x/*')), path)
      expect(nameOf(found), all).toBe('PN')
      expect((found as PosternError).message).toContain('which is not for the same route')
    }
  })

  test.each([
    ['dot-segment', '/a/../b'],
    ['dot-segment', '/a/./b'],
    ['dot-segment', '/a/%2e%2e/b'],
    ['dot-segment', '/a/..;x/b'],
    ['dot-segment', '/a/..%2Fb'],
    ['dot-segment', '/a/%252e%252e/b'],
    ['dot-segment', '/a/%C0%AE%C0%AE/b'],
    ['dot-segment', '/a/.%FF./b'],
    ['dot-segment', '/a/..%3F/b'],
    ['dot-segment', '/a/..%23'],
    ['encoded-backslash', '/a%5Cb'],
    ['encoded-backslash', '/a%255Cb'],
    ['encoded-backslash', '/a%C1%9Cb'],
    ['encoded-control', '/a%0Ab'],
    ['encoded-control', '/a%7F'],
    ['encoded-control', '/a%250Ab'],
    ['encoded-control', '/a%C0%8Ab'],
  ] as const)('without the exception %s, %s is refused even if all of it has one route', (exception, path) => {
    const others = pathExceptions.filter((one) => one !== exception)
    for (const named of [[], others]) {
      const found = find([{ name: 'all', match: {}, config: { pathExceptions: named } }], path)
      expect(nameOf(found)).toBe('PN')
    }
    expect(nameOf(find([{ name: 'all', match: {}, config: { pathExceptions } }], path))).toBe('all')
  })

  test.each(['/a\\b', '/\\evil.org'])('a backslash that is not encoded never passes: %s', (path) => {
    expect(nameOf(find(routesOf('!/*'), path))).toBe('PN')
  })

  test.each(['/a%00', '/a%00/b', '/a/..%00/b', '/a%2500b', '/a%C0%80b', '/a%C0%00b', '/a%25C0%2580'])(
    'a NUL never passes, however it is encoded: %s',
    (path) => {
      expect(nameOf(find([{ name: 'all', match: {}, config: { pathExceptions } }], path))).toBe('PN')
      expect(nameOf(find(routesOf('!/*'), path))).toBe('PN')
    },
  )

  test('what follows an encoded question mark may be the query by which a server routes', () => {
    const [all] = routesOf('!/*')
    const debug = { name: 'debug', match: { path: '/a', query: { debug: '1' } }, config: { pathExceptions } }
    for (const path of ['/a%3Fdebug=1', '/a%3Fx%26debug=1', '/a%253Fdebug=1', '/a%3Fdebug=1%23x', '/a%3F?debug=1'])
      expect(nameOf(find([all!, debug], path)), path).toBe('PN')
    expect(nameOf(find([all!, debug], '/a%3Fdebug=2'))).toBe('!/*')
  })

  test('what is malformed stays so', () => {
    for (const path of ['/a b', '/%GG', '/a%', '/a\x00', '/a\x7f'])
      expect(nameOf(find(routesOf('!/*'), path))).toBe('DPE')
  })

  test('without a route there is none, however it is read', () => {
    expect(nameOf(find(routesOf('/a/*'), '/b%2Fb'))).toBeUndefined()
    expect(nameOf(find(routesOf('/a/*'), '/b/../b'))).toBe('PN')
  })

  test('what is refused says what a route would have to allow', () => {
    expect((find(routesOf('/*'), '/a/../b') as PosternError).message).toBe(
      'the path may be read as "/a/../b", which has a dot segment; a route takes it with "dot-segment" in its "pathExceptions"',
    )
    expect((find(routesOf('!/*', '/b/*'), '/b%2Fa') as PosternError).message).toContain('read as "/b/a"')
  })

  test('a path of endless turns is refused, not worked at', () => {
    for (const turn of ['%2F..', '%25252525', ';%5C//%00', '%252e%252e%252f', '%E9;//']) {
      const path = `/files/${turn.repeat(3000)}`
      expect(nameOf(find(routesOf('!/*', '!/files/*'), path)), turn).toBe('PN')
    }
  })
})

const judging = (...reads: string[]): Judge => ({ name: 'guard', scopes: { reads } })
const guarding = (...paths: string[]): Judge => ({
  name: 'guard',
  scopes: { reads: [] },
  when: compileWhen({ paths }),
})

describe('policies', () => {
  const served = (path: string, policy: Judge, named: readonly PathException[] = []): string | undefined =>
    nameOf(find([{ name: 'all', match: {}, config: { pathExceptions: named }, policies: [policy] }], path))

  test.each([
    ['encoded-slash', '/a%2Fb'],
    ['encoded-unreserved', '/%7Ea'],
    ['double-encoding', '/a%252Fb'],
    ['double-slash', '/a//b'],
    ['semicolon', '/a;b'],
    ['non-utf8', '/caf%E9'],
    ['non-utf8', '/caf\xc3\xa9'],
  ] as const)('where one reads the path, it takes the exception %s for %s', (exception, path) => {
    expect(served(path, judging('host', 'path'))).toBe('PN')
    expect(
      served(
        path,
        judging('host', 'path'),
        pathExceptions.filter((one) => one !== exception),
      ),
    ).toBe('PN')
    expect(served(path, judging('host', 'path'), [exception])).toBe('all')
    expect(served(path, judging('host', 'query'))).toBe('all')
    const { message } = find(
      [{ name: 'all', match: {}, config: { pathExceptions: [] }, policies: [judging('path')] }],
      path,
    ) as PosternError
    expect(message).toContain(`policy "guard" judges it only as it was sent; a route takes it with "${exception}"`)
  })

  test('a plain path is judged as it is', () => {
    for (const path of ['/a/b', '/%40me', '/caf%C3%A9', '/{a}^|"<>`', '/100%25'])
      expect(served(path, judging('path'))).toBe('all')
  })

  test('whether one runs must not depend on the interpretation', () => {
    expect(served('/files/secret%2Fa', guarding('/files/secret/*'))).toBe('PN')
    expect(served('/files%2Fsecret/a', guarding('/files/secret/*'))).toBe('PN')
    expect(served('/caf%E9', guarding('/caf\xe9'))).toBe('PN')
    expect(served('/files/secret/a%2Fb', guarding('/files/secret/*'))).toBe('all')
    expect(served('/files/open%2Fa', guarding('/files/secret/*'))).toBe('all')
    // With the exception it runs if any interpretation is for it, see `compileWhen`.
    expect(served('/files/secret%2Fa', guarding('/files/secret/*'), ['encoded-slash'])).toBe('all')
  })
})

describe('methods', () => {
  test('any token is one', () => {
    for (const method of ['LIST', 'BREW', 'X-MS-ENUMATTS', 'brew', "!#$%&'*+-.^_`|~09"])
      expect(nameOf(find(routesOf('/*'), '/', method))).toBe('/*')
  })

  test('CONNECT is answered with 501', () => {
    expect(find(routesOf('/*'), 'a:80', 'CONNECT')).toMatchObject({ code: 'DPE', status: 501 })
  })

  test('one that some servers turn into capitals must have the same route and policies as in capitals', () => {
    expect(nameOf(find(routesOf('/*'), '/', 'delete'))).toBe('/*')
    expect(nameOf(find(routesOf('/*'), '/', 'Get'))).toBe('/*')
    const guarded = [...routesOf('/*'), { ...routesOf('/*')[0]!, name: 'guarded', match: { methods: ['DELETE'] } }]
    expect(nameOf(find([{ ...guarded[0]!, match: {} }, guarded[1]!], '/', 'delete'))).toBe('DPE')
    const on = (policy: Judge): string | undefined =>
      nameOf(find([{ ...routesOf('/*')[0]!, policies: [policy] }], '/', 'delete'))
    expect(on(judging('method'))).toBe('DPE')
    expect(on({ name: 'guard', scopes: { reads: [] }, when: compileWhen({ methods: ['DELETE'] }) })).toBe('DPE')
    expect(on({ name: 'guard', scopes: { reads: [] }, when: compileWhen({ methods: ['PUT'] }) })).toBe('/*')
  })

  test.each(['head', 'Head', 'connect'])('%s is always refused: its message would end in two ways', (method) => {
    expect(nameOf(find(routesOf('/*'), '/', method))).toBe('DPE')
  })
})

/** What servers do to paths, each as one that is in use does it, and none as the gateway does. */
const servers: Readonly<Record<string, (path: string) => string>> = {
  nothing: (path) => path,
  decode: (path) => tolerant(path, decodeURIComponent),
  'decode slashes': (path) => path.replaceAll(/%(2f|5c)/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
  'decode the unreserved': (path) =>
    path.replaceAll(/%[2-7][\da-f]/gi, (escaped) => {
      const character = decodeURIComponent(escaped)
      return /[\w.~-]/.test(character) ? character : escaped
    }),
  browser: (path) => tolerant(path, (text) => new URL(`http://a${text}`).pathname),
  posix: (path) => posix.normalize(path),
  merge: (path) =>
    path
      .split('/')
      .filter((segment, index, all) => segment !== '' || index === 0 || index === all.length - 1)
      .join('/'),
  backslash: (path) => path.split('\\').join('/'),
  parameters: (path) =>
    path
      .split('/')
      .map((segment) => segment.split(';')[0])
      .join('/'),
  c: (path) => path.replace(/\0.*$/s, ''),
  query: (path) => path.split('?')[0]!,
  fragment: (path) => path.split('#')[0]!,
  'network path': (path) => tolerant(path, (text) => new URL(text, 'http://a').pathname),
  latin1: (path) =>
    isUtf8(path)
      ? path
      : path.replaceAll(/%[89a-f][\da-f]/gi, (octet) => String.fromCharCode(Number(`0x${octet.slice(1)}`))),
  replace: (path) => withRuns(path, (octets) => new TextDecoder().decode(octets)),
  ignore: (path) => withRuns(path, (octets) => new TextDecoder().decode(octets).replaceAll('\ufffd', '')),
  careless: (path) =>
    path
      .replaceAll(/%c0%(?:af|2f)/gi, '/')
      .replaceAll(/%c0%ae/gi, '.')
      .replaceAll(/%e0%80%af/gi, '/')
      .replaceAll(/%c1%9c/gi, '\\'),
}

function isUtf8(path: string): boolean {
  const runs = path.match(/(?:%[89a-f][\da-f])+/gi) ?? []
  return runs.every((run) => tolerant(run, decodeURIComponent) !== run)
}

function withRuns(path: string, read: (octets: Uint8Array) => string): string {
  return path.replaceAll(/(?:%[89a-f][\da-f])+/gi, (run) =>
    read(Uint8Array.from(Buffer.from(run.replaceAll('%', ''), 'hex'))),
  )
}

function tolerant(path: string, read: (path: string) => string): string {
  try {
    return read(path)
  } catch {
    return path
  }
}

const piece = fc.constantFrom(
  ...['/', '/', '/', 'a', 'b', 'admin', 'files', '.', '..', ';', ';x=1', '%2F', '%2f', '%5C', '%3B', '%2e', '%2E%2e'],
  ...[
    '%00',
    '%3F',
    '%23',
    '%253f',
    '%252F',
    '%252e',
    '%25252e',
    '%61dmin',
    '%C3%A9',
    '%40',
    '%25',
    '//',
    '/../',
    '/./',
    '%7E',
    '{',
    '"',
  ],
  ...['%E9', '%C0%AF', '%c0%ae', '%FF', '%25E9', '%E0%80%AF', '\xe9', '\xc3\xa9'],
)
const rawPath = fc
  .tuple(fc.constantFrom('/', '//', '/files/', '/a/', '/files/admin'), fc.array(piece, { maxLength: 6 }))
  .map(([start, pieces]) => start + pieces.join(''))
const pattern = fc.constantFrom(
  ...[
    '/*',
    '/a/*',
    '/a/b/*',
    '/files/*',
    '/files/a/*',
    '/files/admin',
    '/files/admin/*',
    '/admin',
    '/admin/*',
    '/a',
    '/\xe9',
    '/',
  ],
)
const routeSet = fc.uniqueArray(fc.tuple(pattern, fc.subarray([...pathExceptions], { minLength: 0 })), {
  selector: ([path]) => path,
  minLength: 1,
  maxLength: 6,
})
const policies: fc.Arbitrary<readonly Judge[]> = fc.array(
  fc.oneof(
    fc.constant(judging('path')),
    fc.subarray(['/a/*', '/files/admin', '/admin', '/\xe9'], { minLength: 1 }).map((paths) => guarding(...paths)),
  ),
  { maxLength: 2 },
)

test('however a backend reads a path that is let through, its route and its policies are those that let it', () => {
  let taken = 0
  let judged = 0
  fc.assert(
    fc.property(
      routeSet,
      policies,
      rawPath,
      fc.array(fc.constantFrom(...Object.keys(servers)), { maxLength: 4 }),
      (set, judges, raw, names) => {
        const routes = set.map(([path, named]) => ({
          name: path,
          match: { path },
          config: { pathExceptions: named },
          policies: judges,
        }))
        const found = find(routes, raw)
        if (found instanceof PosternError || found.route === undefined) return
        const { interpretations } = found.target
        if (interpretations === undefined) return
        taken++
        expect(found.target.full).toBe(raw)
        const read = names.reduce((path, name) => servers[name]!(path), raw)
        // What is looked up is decoded by the table; an interpretation is what is left of it.
        const path = (read === '' ? '/' : read).replaceAll('%', '%25')
        const fields = new Fields()
        const goal = atOnce(routeTable(routes)).find({ host: 'a', path, query: '', method: 'GET', fields })
        const how = `${names.join(', ')} reads ${read}`
        expect(goal?.name, how).toBe(found.route.name)
        for (const { scopes, when } of judges) {
          judged++
          // One that judges the path as it was sent judges it as the backend does, unless the route names the spelling.
          if (scopes.reads.includes('path') && found.route.config.pathExceptions.length === 0)
            expect(interpretations.length, how).toBe(1)
          if (when?.takesPath(decoded(read))) expect(interpretations.some(when.takesPath), how).toBe(true)
        }
      },
    ),
    { numRuns: 3_000 },
  )
  expect(taken).toBeGreaterThan(200)
  expect(judged).toBeGreaterThan(50)
})

function decoded(path: string): string {
  return path.replaceAll(/%[\da-f]{2}/gi, (escaped) => tolerant(escaped, decodeURIComponent))
}
