import type { Case, Duty } from '../case.ts'
import { emptied, get, head, refusal } from '../text.ts'

const every = [
  ...['encoded-slash', 'encoded-backslash', 'encoded-unreserved', 'encoded-control'],
  ...['double-encoding', 'double-slash', 'dot-segment', 'semicolon'],
]

/** `/files/*` takes everything, `/files/secret/*` and the rest of the paths nothing. */
const guarded = {
  routes: {
    all: { match: { path: '/*' } },
    files: { listener: 'web', match: { path: '/files/*' }, upstream: 'app', pathExceptions: every },
    secret: { listener: 'web', match: { path: '/files/secret/*' }, upstream: 'app' },
  },
}

function refused(path: string, config?: Case['config']): Case {
  return {
    rfc: '3986 §6.2.2',
    what: `${path} is refused`,
    ...(config !== undefined && { config }),
    client: head(`GET ${path} HTTP/1.1`, 'Host: a'),
    seen: [],
    got: refusal('PN'),
  }
}

function taken(path: string): Case {
  return {
    what: `${path} is taken where its route makes an exception`,
    config: guarded,
    client: head(`GET ${path} HTTP/1.1`, 'Host: a'),
    seen: [get(path)],
    got: emptied,
  }
}

/** What a path may be. */
export const paths: readonly Duty[] = [
  {
    number: 16,
    title: 'paths with more than one reading',
    cases: [
      ...['/a%2Fb', '/a%2fb', '/a%5Cb', '/a\\b', '/a%00', '/a;b=1', '/a%3Bb', '/a//b', '//a', '/%61'].map((path) =>
        refused(path),
      ),
      ...['/.', '/..', '/a/../b', '/a/./b', '/a/%2e%2e/b', '/a/.%2E/b', '/a/%252e%252e/b', '/a%252Fb'].map((path) =>
        refused(path),
      ),
      ...[
        '/files/a%2Fb',
        '/files/a%5Cb',
        '/files/a;v=1/b',
        '/files/a//b',
        '/files/%7Ea',
        '/files/a%00',
        '/files/a/../b',
      ].map(taken),
      taken('/files/a%252Fb?x=%2F'),
      ...[
        '/files/secret%2Fa',
        '/files/a%2F..%2Fsecret/b',
        '/files/..%2Fadmin',
        '/files;/secret/a',
        '/files//secret/a',
      ].map((path) => ({ ...refused(path, guarded), what: `${path}: another route would have it` })),
      ...[
        '/files/secret%5Ca',
        '/files/%73ecret/a',
        '/files/secret%252Fa',
        '/files/x/%2e%2e/secret/a',
        '/files/../admin',
      ].map((path) => ({ ...refused(path, guarded), what: `${path}: another route would have it` })),
      ...['/files/secret;x/a', '/files/secret/%00', '/files%2Fa', '/files/sec%00ret/a', '/files/..;/admin'].map(
        (path) => ({ ...refused(path, guarded), what: `${path}: another route would have it` }),
      ),
      { ...refused('/files/a\\b', guarded), what: 'a backslash as it is never passes' },
    ],
  },
]
