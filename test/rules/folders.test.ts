import { posix } from 'node:path'
import { expect, test } from 'vitest'
import { read, sourcesOf } from './sources.ts'

/**
 * The folders of core/ and the files beside them (one name each, without `.ts`), each with those that it may import, types
 * included. A folder stands above all that it imports. Changes come with a reason in the commit.
 */
const allowed: Readonly<Record<string, string>> = {
  testing: 'guard check hooks sandbox grants http net',
  bin: 'main',
  main: 'cli',
  start: 'gateway telemetry check config sandbox acme grants tls',
  cli: 'process telemetry check config',
  process: 'gateway guard listen telemetry check config sandbox acme grants tls net',
  gateway: 'listen flow snapshot telemetry upstream hooks config sandbox acme grants tls net',
  guard: 'sandbox',
  listen: 'flow snapshot telemetry config route http1 http2 http tls net',
  flow: 'snapshot telemetry upstream shape hooks config sandbox route http tls net',
  snapshot: 'upstream shape hooks config sandbox acme route http',
  telemetry: 'hooks config grants net',
  check: 'shape hooks config sandbox acme grants route http tls net',
  shape: 'hooks config route http',
  upstream: 'hooks config grants http1 http2 http tls net',
  hooks: 'config sandbox grants route http net',
  config: 'sandbox acme grants route http tls net',
  sandbox: 'grants http net',
  acme: 'grants',
  grants: 'http',
  route: 'http',
  http1: 'http net',
  http2: 'http net',
  http: 'net',
  tls: 'net',
  net: '',
}

/** Anyone may import these; they import nothing of core. */
const everyones = ['errors', 'in-slices', 'own-text', 'package-root']

const order = [...Object.keys(allowed), ...everyones]

function unitOf(path: string): string {
  const [, first = '', second] = path.split('/')
  return second === undefined ? first.replace(/\.ts$/, '') : first
}

/** Every import of core within core: from which unit to which, and where. */
const arrows = sourcesOf('core').flatMap(({ path, imports }) =>
  imports
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => posix.join(posix.dirname(path), specifier))
    .filter((to) => to.startsWith('core/') && unitOf(to) !== unitOf(path))
    .map((to) => ({ from: unitOf(path), to: unitOf(to), text: `${path} → ${to}` })),
)

test('every folder and file of core has its place in the list', () => {
  const units = new Set(sourcesOf('core').map(({ path }) => unitOf(path)))
  expect([...units].filter((unit) => !order.includes(unit))).toEqual([])
  expect(order.filter((unit) => !units.has(unit))).toEqual([])
})

test('an arrow that is not in the list is refused', () => {
  const isAllowed = (from: string, to: string): boolean =>
    everyones.includes(to) || (allowed[from] ?? '').split(' ').includes(to)
  expect(arrows.filter(({ from, to }) => !isAllowed(from, to)).map(({ text }) => text)).toEqual([])
})

test('the list has no arrow that nothing needs', () => {
  const used = new Set(arrows.map(({ from, to }) => `${from} → ${to}`))
  const listed = Object.entries(allowed).flatMap(([from, to]) =>
    to
      .split(' ')
      .filter(Boolean)
      .map((one) => `${from} → ${one}`),
  )
  expect(listed.filter((arrow) => !used.has(arrow))).toEqual([])
})

test('arrows only point down, so there is no cycle, of values or of types', () => {
  const up = arrows.filter(({ from, to }) => order.indexOf(to) <= order.indexOf(from))
  expect(up.map(({ text }) => text)).toEqual([])
})

test('core/README.md draws the same arrows', () => {
  const [, drawing = ''] = /<!-- folders -->\n\n```\n([\s\S]*?)```/.exec(read('core/README.md')) ?? []
  const drawn = Object.fromEntries(
    drawing
      .split('\n')
      .filter((line) => line.includes('→'))
      .map((line) => line.split('→').map((part) => part.trim())),
  )
  expect(drawn).toEqual(allowed)
})
