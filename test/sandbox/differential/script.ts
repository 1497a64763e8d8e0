import fc from 'fast-check'
import type { HookName } from '../../../sdk/points.ts'
import type { Op, Options, Program } from '../../fixtures/plugins/program/interpreter.ts'

/** A policy of a cast; what it does is said by each script. */
export interface Role extends Omit<Options, 'label'> {
  readonly plugin: (typeof plugins)[number]
  readonly group: string
  readonly onFailure: 'reject' | 'continue'
}

/** Three lists of roles: of the route, and behind them those of either upstream. */
export interface Line {
  readonly route: readonly number[]
  readonly green: readonly number[]
  readonly blue: readonly number[]
}

/** One request, or one connection. */
export interface FlowScript {
  readonly line: number
  readonly kind: 'request' | 'connection'
  readonly method: string
  readonly path: string
  readonly fields: readonly string[]
  readonly body: readonly string[]
  readonly response: { readonly status: number; readonly fields: readonly string[]; readonly body: readonly string[] }
  /** Turns of the event loop before it begins, and that a body takes until it is held. */
  readonly delay: number
  readonly acts: readonly Act[]
}

/** An operation of the policy at this position of its line. */
export interface Act {
  readonly at: number
  readonly hook: HookName
  readonly op: Op
}

export const plugins = ['whole', 'way-in', 'both-ways', 'way-out'] as const

/** Few, so that policies meet in them. */
const readable = [
  ...['header:x-a', 'header:x-b', 'header:*', 'consumer', 'cookie:c', 'response.header:x-a', 'response.header:x-b'],
  ...['upstream', 'response.header:*', 'response.status', 'query:q', 'method'],
]
const seldomReadable = ['query', 'path', 'host', 'client.ip', 'outcome', 'header:cookie', 'header:x-long']
const heldBodies = [
  'body:prefix:4',
  'body:buffer:12',
  'body:optional:6',
  'response.body:prefix:5',
  'response.body:buffer:9',
]
const writable = ['header:x-a', 'header:x-b', 'consumer', 'response.header:x-a', 'response.header:x-b', 'header:cookie']
const seldomWritable = [
  'upstream',
  'header:*',
  'response.header:*',
  'body',
  'response.body',
  'response.header:content-type',
]
const triggers = [
  { methods: ['POST'] },
  { paths: ['/api/*'] },
  { headers: ['x-a'] },
  { headers: ['x-b', 'x-c'] },
  { responseTypes: ['text/*'] },
  { methods: ['GET'], headers: ['x-c'] },
]

const role: fc.Arbitrary<Role> = fc.record({
  plugin: fc.constantFrom('both-ways', 'both-ways', 'both-ways', 'way-in', 'way-in', 'way-out', 'whole'),
  group: fc.constantFrom(...Array<string>(9).fill('one'), 'two'),
  onFailure: fc.constantFrom('reject', 'continue'),
  reads: fc
    .tuple(
      fc.subarray(readable, { minLength: 1, maxLength: 3 }),
      fc.oneof(
        { weight: 9, arbitrary: seldom(fc.subarray(seldomReadable, { minLength: 1, maxLength: 2 })) },
        { weight: 1, arbitrary: fc.constant([...readable, ...seldomReadable]) },
      ),
      seldom(fc.subarray(heldBodies, { minLength: 1, maxLength: 1 })),
    )
    .map((lists) => [...new Set(lists.flat())]),
  writes: fc
    .tuple(fc.subarray(writable, { maxLength: 3 }), seldom(fc.subarray(seldomWritable, { minLength: 1, maxLength: 2 })))
    .map((lists) => lists.flat()),
  when: fc.oneof({ weight: 4, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: fc.constantFrom(...triggers) }),
  tells: fc.boolean(),
  marks: fc.boolean(),
})

function seldom(list: fc.Arbitrary<string[]>): fc.Arbitrary<string[]> {
  return fc.oneof({ weight: 8, arbitrary: fc.constant<string[]>([]) }, { weight: 1, arbitrary: list })
}

/** Enough different roles, and lines of them, that random scripts meet every rule. They are fixed before a cast is made. */
export function drawCast(seed: number): { roles: Role[]; lines: Line[] } {
  const roles = fc.sample(role, { numRuns: 40, seed })
  const some = (maxLength: number) => fc.uniqueArray(fc.nat(roles.length / 2 - 1), { maxLength })
  const upstream = fc
    .uniqueArray(fc.nat(roles.length / 4 - 1), { maxLength: 2 })
    .map((list) => list.map((index) => roles.length / 2 + index))
  const route = fc.oneof(
    { weight: 14, arbitrary: some(7) },
    { weight: 1, arbitrary: fc.shuffledSubarray([...roles.keys()].slice(0, roles.length / 2), { minLength: 16 }) },
  )
  const line = fc.record({ route, green: upstream, blue: upstream })
  return { roles, lines: fc.sample(line, { numRuns: 150, seed }) }
}

const keys = ['k0', 'k1']
const longKey = 'k'.repeat(80)

/** The first ones are those that a failure is simplified to. */
const usual: readonly Op[] = [
  ...[0, 1, 2].flatMap((index): Op[] => [
    ['read', index],
    ['write', index],
    ['write', index, '2'],
    ['write', index, 0],
  ]),
  ...[0, 1, 2].map((index): Op => ['write', index]),
  ['see', 'consumer'],
  ['see', 'header:x-a'],
  ['state'],
  ['state', '1'],
  ['state', 0],
  ['sum', 'a'],
  ['sum'],
  ...keys.flatMap((key): Op[] => [
    ['take', key, 3, 1],
    ['take', key, 3, 2],
    ['take', key, 40, 1],
    ['take', key, 3, 0],
  ]),
  ...keys.flatMap((key): Op[] => [
    ['get', key],
    ['put', key],
    ['delete', key],
    ['increment', key, 1],
  ]),
  ['take', 'k0', 0, 1],
  ['take often', 'k0', 3, 5],
  // Such a key is kept as its hash.
  ['take', longKey, 40, 1],
  ['take often', 'k1', 40, 7],
  ['sum often', 3],
  ['all at once', 'k0'],
  ['take unseen', 'k0', 40, 1],
  ['soon', 2],
  ['slow', '1', 'a'],
  ['slow', '3', 'b'],
  ['turns', 1],
  ['turns', 4],
  ['turns', 40],
  ['both', 'k0'],
  ['race', 'k0'],
  ['reply', 403],
  ['reply', 200, 'é'],
  ['throw', 'no'],
  ['pick', 0],
  ['pick', 1],
  ['log', 'said'],
  ['count', 'things'],
]

/** Some are invalid in a header, some have to be escaped on the wire, some are long enough to be kept apart. */
const texts = [
  '',
  ' a ',
  'a\tb',
  'Ã©',
  '\ud800',
  'é ☃',
  'a\x1eb\x1fc',
  '\x1a',
  'W',
  'E\x1dW',
  'x * 1200',
  'y * 20000',
  'c=2; d=3',
]

const odd: readonly Op[] = [
  ...texts.flatMap((text): Op[] => [
    ['write', 0, text],
    ['write', 1, text],
    ['state', text],
  ]),
  ...['x-a', 'X-B', 'cookie'].flatMap((name): Op[] => [
    ['set', name],
    ['remove', name],
    ['answer', name],
    ['append', name, '3'],
    ['take out', name],
  ]),
  ['sum often', 70],
  ['consumer'],
  ['upstream', 'blue'],
  ['body', 'other'],
  ['reply', 99],
  ['throw', 'two\nlines'],
  ['throw this', 7],
  ['return', 'nonsense'],
  ['pick', 7],
  ['upstream', 'none'],
  ['body', ''],
  ['set', 'host', 'h'],
  ['set', 'x-stray', '1'],
  ['answer', 'x-stray', '1'],
  ['set', '__proto__', '1'],
  ['set', 'bad name', '1'],
  ['log', 'a\x1d\x1eb'],
  ['many', 30],
  ['many', 1_001],
  ['state', 'é * 4000'],
  ['state', 'é * 4097'],
  ['state', 'é * 300000'],
  ['see', 'header:x-stray'],
]

const hooks: readonly HookName[] = [
  ...Array<HookName>(8).fill('onRequest'),
  ...Array<HookName>(5).fill('onResponse'),
  ...(['onRequestBody', 'selectBackend', 'onResponseBody', 'onClose', 'onConnect', 'onDisconnect'] as const),
]

const requestFields = [
  ['x-a', '0'],
  ['x-b', 'caf\xe9'],
  ['cookie', 'c=1'],
  ['x-a', 'again'],
  ['x-c', ''],
  ['cookie', 'd=2'],
  ['x-long', 'z'.repeat(1_500)],
  ['accept', '*/*'],
]
const responseFields = [
  ['content-type', 'text/html'],
  ['x-a', 'b'],
  ['content-type', 'application/json'],
  ['x-seen', ''],
  ['x-a', 'b2'],
]

/** @param more operations besides the usual and the odd ones. */
export function flowScript(lines: number, more: readonly Op[] = []): fc.Arbitrary<FlowScript> {
  const op = fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...usual) },
    { weight: 1, arbitrary: fc.constantFrom(...odd, ...more) },
  )
  const act = fc.record({ at: fc.nat(20), hook: fc.constantFrom(...hooks), op })
  return fc.record({
    line: fc.nat(lines - 1),
    kind: fc.constantFrom('request', 'request', 'request', 'request', 'request', 'connection'),
    method: fc.constantFrom('GET', 'POST'),
    path: fc.constantFrom('/', '/api/x'),
    fields: fc.subarray(requestFields).map((lines) => lines.flat()),
    body: fc.constantFrom<readonly string[]>([], ['one'], ['one', '-two-and-three'], ['']),
    response: fc.record({
      status: fc.constantFrom(200, 404),
      fields: fc.subarray(responseFields).map((lines) => lines.flat()),
      body: fc.constantFrom<readonly string[]>([], ['page'], ['page', ' and more of it']),
    }),
    delay: fc.constantFrom(0, 0, 0, 1, 2),
    acts: fc.array(act, { maxLength: 16 }),
  })
}

/** What the policies of a line do in a flow, as the interpreter reads it. */
export function programOf({ acts }: FlowScript, flow: string, labels: readonly number[]): Program {
  const parts: Record<string, Record<string, Op[]>> = {}
  for (const { at, hook, op } of acts) {
    if (labels.length === 0) break
    const label = labels[at % labels.length]!
    parts[label] ??= {}
    parts[label][hook] ??= []
    parts[label][hook].push(op)
  }
  return { flow, parts }
}
