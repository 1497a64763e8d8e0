import type { Case, Duty } from '../case.ts'
import { emptied, get, head, refusal } from '../text.ts'

const every = [
  ...['encoded-slash', 'encoded-backslash', 'encoded-unreserved', 'encoded-control', 'encoded-delimiter'],
  ...['double-encoding', 'double-slash', 'dot-segment', 'semicolon', 'non-utf8'],
]

/** `/files/*` names every exception, `/files/secret/*` and the rest of the paths none. */
const guarded = {
  routes: {
    all: { match: { path: '/*' } },
    files: { listener: 'web', match: { path: '/files/*' }, upstream: 'app', pathExceptions: every },
    secret: { listener: 'web', match: { path: '/files/secret/*' }, upstream: 'app' },
  },
}

const besideExact = {
  routes: {
    all: { match: { path: '/*' } },
    admin: { listener: 'web', match: { path: '/admin' }, upstream: 'app' },
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

function taken(path: string, config?: Case['config']): Case {
  return {
    what: `${path} goes on as it came${config === undefined ? '' : ', where its route names it'}`,
    ...(config !== undefined && { config }),
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
      ...['/a%2Fb', '/a%2fb', '/a;b=1', '/a%3Bb', '/a//b', '//a', '/%61', '/a%252Fb', '/caf%E9', '/%83e%83X%83g'].map(
        (path) => taken(path),
      ),
      ...['/C%23', '/a{b}^|"<c>`', '/caf\xe9', '/caf\xc3\xa9?q=\xc3\xa9'].map((path) => taken(path)),
      ...['/a%5Cb', '/a\\b', '/a%00', '/a%0Ab', '/a%7F', '/a%C0%80', '/a%C1%9Cb'].map((path) => refused(path)),
      ...['/.', '/..', '/a/../b', '/a/./b', '/a/%2e%2e/b', '/a/.%2E/b', '/a/%252e%252e/b', '/a/..;/b'].map((path) =>
        refused(path),
      ),
      ...['/a/..%2Fb', '/a/..%252Fb', '/a/%C0%AE%C0%AE/b', '/a/..%00/b'].map((path) => refused(path)),
      ...[
        '/files/a%2Fb',
        '/files/a%5Cb',
        '/files/a;v=1/b',
        '/files/a//b',
        '/files/%7Ea',
        '/files/a%0A',
        '/files/a%3Fb%23c',
        '/files/a/../b',
        '/files/caf%E9',
      ].map((path) => taken(path, guarded)),
      taken('/files/a%252Fb?x=%2F', guarded),
      ...['/a%2Fb', '/a//b', '/a;b', '/caf%E9'].map((path) => taken(path, guarded)),
      ...['//x/files/secret/a', '/files%2Fsecret/a', '/%66iles/a', '/fil%FFes/a'].map((path) => ({
        ...refused(path, guarded),
        what: `${path}: another route would have it`,
      })),
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
      ...['/admin%3Fx', '/admin%23x', '/admin%253Fx'].map((path) => ({
        ...refused(path, besideExact),
        what: `${path}: another route would have it`,
      })),
      { ...refused('/files/a\\b', guarded), what: 'a backslash as it is never passes' },
      ...['/files/a%00', '/files/a%2500', '/files/a%C0%80'].map((path) => ({
        ...refused(path, guarded),
        what: `a NUL never passes: ${path}`,
      })),
    ],
  },
]
