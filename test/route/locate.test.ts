import { posix } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PosternError } from '../../core/errors.ts'
import { Fields } from '../../core/http/fields.ts'
import { type Located, locate } from '../../core/route/locate.ts'
import { exceptionBits, type PathException } from '../../core/route/path-exceptions.ts'
import { routeTable } from '../../core/route/table.ts'
import { atOnce } from '../helpers/at-once.ts'

const every = Object.keys(exceptionBits) as PathException[]

interface Route {
  name: string
  match: { path?: string; methods?: string[] }
  config: { pathExceptions: PathException[] }
}

/** Routes by path; a `!` in front makes no exceptions. */
function routesOf(...paths: string[]): Route[] {
  return paths.map((path) => ({
    name: path,
    match: { path: path.replace('!', '') },
    config: { pathExceptions: path.startsWith('!') ? [] : every },
  }))
}

function find(routes: readonly Route[], rawTarget: string, method = 'GET'): Located<Route> | PosternError {
  return locate(atOnce(routeTable(routes)), { method, rawTarget, fields: new Fields(['host', 'a']) }, 'http')
}

function nameOf(found: Located<Route> | PosternError): string | undefined {
  return found instanceof PosternError ? found.code : found.route?.name
}

describe('exceptions', () => {
  test('without them everything is as it was', () => {
    expect(nameOf(find(routesOf('!/*'), '/a%2Fb'))).toBe('PN')
    expect(nameOf(find(routesOf('!/*'), '/a b'))).toBe('DPE')
    expect(nameOf(find(routesOf('/a/*'), '/b%2Fb'))).toBe('PN')
    expect(nameOf(find(routesOf('/a/*'), '/b'))).toBeUndefined()
    expect(nameOf(find(routesOf('/*'), '/%2F%GG'))).toBe('PN')
  })

  test.each([
    ['encoded-slash', '/a%2Fb', '/a%5Cb'],
    ['encoded-backslash', '/a%5Cb', '/a\\b'],
    ['encoded-unreserved', '/%7Ea', '/%2e%2e'],
    ['encoded-control', '/a%00', '/a\u0000'],
    ['double-encoding', '/a%252Fb', '/a%2Fb'],
    ['double-slash', '/a//b', '/a/./b'],
    ['dot-segment', '/a/../b', '/a/%2e%2e/b'],
    ['semicolon', '/a;b', '/a\\b'],
    ['semicolon', '/a%3Bb', '/a%2Fb'],
  ] as const)('%s takes %s and not %s', (exception, taken, refused) => {
    const routes = [{ name: 'all', match: {}, config: { pathExceptions: [exception] } }]
    const found = find(routes, taken) as Located<Route>
    expect(found.target.full).toBe(taken)
    expect(found.target.interpretations?.length).toBeGreaterThan(0)
    expect(find(routes, refused)).toBeInstanceOf(PosternError)
  })

  test('what is refused says what a route would have to allow', () => {
    expect((find(routesOf('!/*'), '/a%2Fb') as PosternError).message).toContain(
      '"encoded-slash" in its "pathExceptions"',
    )
    expect((find(routesOf('/*', '!/b/*'), '/b%2Fa') as PosternError).message).toContain('read as "/b/a"')
  })

  test('a path of endless turns is refused, not worked at', () => {
    for (const turn of ['%2F..', '%25252525', ';%5C//%00', '%252e%252e%252f']) {
      const path = `/files/${turn.repeat(3000)}`
      expect(nameOf(find(routesOf('/*', '/files/*'), path)), turn).toBe('PN')
    }
  })

  test('CONNECT is answered with 501', () => {
    expect(find(routesOf('/*'), 'a:80', 'CONNECT')).toMatchObject({ code: 'DPE', status: 501 })
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
  ...['%00', '%252F', '%252e', '%25252e', '%61dmin', '%C3%A9', '%40', '%25', '//', '/../', '/./', '%7E'],
)
const rawPath = fc
  .tuple(fc.constantFrom('/', '/files/', '/a/', '/files/admin'), fc.array(piece, { maxLength: 6 }))
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
    '/',
  ],
)
const routeSet = fc.uniqueArray(fc.tuple(pattern, fc.subarray(every, { minLength: 0 })), {
  selector: ([path]) => path,
  minLength: 1,
  maxLength: 6,
})

test('however a backend reads a path that is let through, its route is the one that let it', () => {
  let taken = 0
  fc.assert(
    fc.property(
      routeSet,
      rawPath,
      fc.array(fc.constantFrom(...Object.keys(servers)), { maxLength: 4 }),
      (set, raw, names) => {
        const routes = set.map(([path, pathExceptions]) => ({
          name: path,
          match: { path },
          config: { pathExceptions },
        }))
        const found = find(routes, raw)
        if (found instanceof PosternError || found.route === undefined) return
        if (found.target.interpretations === undefined) return
        taken++
        expect(found.target.full).toBe(raw)
        const read = names.reduce((path, name) => servers[name]!(path), raw)
        // What is looked up is decoded by the table; a interpretation is what is left of it.
        const path = read.replaceAll('%', '%25')
        const goal = atOnce(routeTable(routes)).find({
          host: 'a',
          path: path === '' ? '/' : path,
          query: '',
          method: 'GET',
          fields: new Fields(),
        })
        expect(goal?.name, `${names.join(', ')} reads ${read}`).toBe(found.route.name)
      },
    ),
    { numRuns: 20_000 },
  )
  expect(taken).toBeGreaterThan(1000)
})
