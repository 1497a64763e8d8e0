import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PosternError } from '../../core/errors.ts'
import { ABSENT } from '../../core/grants/operation.ts'
import { applyOperations, type WritableFacts } from '../../core/hooks/operations.ts'
import type { Policy } from '../../core/hooks/policy.ts'
import { compileWrites } from '../../core/hooks/writes.ts'
import { writeBounds } from '../../core/http/field-problem.ts'
import { asValue } from '../../core/http/field-text.ts'
import { Fields } from '../../core/http/fields.ts'
import { bounds } from '../../core/sandbox/bounds.ts'
import { op } from '../../core/sandbox/wire.ts'
import type { HookName } from '../../sdk/points.ts'

interface Flow extends WritableFacts {
  readonly requestFields: Fields
  readonly responseFields: Fields
  upstream: string | undefined
}

function flow(): Flow {
  return {
    states: [undefined],
    candidates: [{ id: 'a', address: 'a:1', weight: 1, active: 0, draining: false, labels: '' }],
    requestFields: new Fields(['x-kept', '1']),
    responseFields: new Fields(['x-kept', '1']),
    consumer: undefined,
    upstream: undefined,
    upstreamProblem: (name) => (name === 'blue' ? undefined : `there is no upstream "${name}"`),
    useUpstream(name) {
      this.upstream = name
    },
  }
}

function policy(...writes: string[]): Policy {
  const parts = { name: 'p', plugin: 'tester', onFailure: 'reject', instance: 0, readers: {} } as const
  // What a policy has beside that, only a chain looks at.
  return { ...parts, writes: compileWrites(writes) } as unknown as Policy
}

function apply(to: Flow, hook: HookName, writes: readonly string[], ...operations: string[][]): unknown {
  return applyOperations(to, hook, policy(...writes), 0, operations)
}

function refusal(hook: HookName, writes: readonly string[], ...operations: string[][]): string {
  const untouched = flow()
  // One that would do comes first: all or none.
  const sound = hook === 'onResponse' ? [op.setResponseHeader, 'x-first', '1'] : [op.setHeader, 'x-first', '1']
  const scopes = ['header:x-first', 'response.header:x-first', ...writes]
  const result = apply(
    untouched,
    hook,
    scopes,
    ...(hook === 'onRequest' || hook === 'onResponse' ? [sound] : []),
    ...operations,
  )
  expect(result).toBeInstanceOf(PosternError)
  expect((result as PosternError).outcome).toBe('PE:tester')
  expect(untouched).toMatchObject({ consumer: undefined, upstream: undefined, states: [undefined] })
  expect(untouched.prepared).toBeUndefined()
  expect(untouched.requestFields.list).toEqual(['x-kept', '1'])
  expect(untouched.responseFields.list).toEqual(['x-kept', '1'])
  return (result as PosternError).message.replace(/^policy "p", \w+: /, '')
}

const all = ['header:*', 'response.header:*', 'upstream', 'consumer']
const control: readonly [what: string, character: string][] = [
  ['CR', '\r'],
  ['LF', '\n'],
  ['NUL', '\0'],
  ['DEL', '\x7f'],
]

describe('undeclared writes are refused, and say what to declare', () => {
  test.each([
    [
      'onRequest',
      [op.setHeader, 'X-A', '1'],
      ['header:x-b'],
      `the request header "x-a": declare writes: ['header:x-a']`,
    ],
    ['onRequest', [op.removeHeader, 'x-a'], ['response.header:*'], `declare writes: ['header:x-a']`],
    ['onResponse', [op.setResponseHeader, 'x-a', '1'], ['header:*'], `declare writes: ['response.header:x-a']`],
    ['onResponse', [op.appendResponseHeader, 'x-a', '1'], [], `declare writes: ['response.header:x-a']`],
    ['onResponse', [op.removeResponseHeader, 'x-a'], [], `declare writes: ['response.header:x-a']`],
    ['onRequest', [op.setResponseHeader, 'x-a', '1'], ['header:*'], `declare writes: ['response.header:x-a']`],
    ['onRequest', [op.appendResponseHeader, 'x-a', '1'], [], `declare writes: ['response.header:x-a']`],
    ['onRequest', [op.removeResponseHeader, 'x-a'], [], `declare writes: ['response.header:x-a']`],
    ['onRequest', [op.useUpstream, 'blue'], ['header:*'], `declare writes: ['upstream']`],
    ['onConnect', [op.useUpstream, 'blue'], [], `declare writes: ['upstream']`],
    ['onRequest', [op.consumer, 'bob'], ['header:*'], `declare writes: ['consumer']`],
  ] as const)('%s %j', (hook, operation, writes, message) => {
    const result = apply(flow(), hook, writes, [...operation])
    expect((result as PosternError).message).toContain(message)
  })
})

describe('fields that belong to the gateway are refused, declared or not', () => {
  const names = ['connection', 'Content-Length', 'host', 'keep-alive', 'proxy-authenticate', 'proxy-authorization']
  const more = ['proxy-connection', 'TE', 'trailer', 'transfer-encoding', 'upgrade']
  test.each([...names, ...more])('%s', (name) => {
    const expected = `the header "${name.toLowerCase()}" belongs to the gateway`
    expect(refusal('onRequest', all, [op.setHeader, name, '1'])).toBe(expected)
    expect(refusal('onRequest', all, [op.removeHeader, name])).toBe(expected)
    expect(refusal('onResponse', all, [op.setResponseHeader, name, '1'])).toBe(expected)
    expect(refusal('onResponse', all, [op.appendResponseHeader, name, '1'])).toBe(expected)
    expect(refusal('onResponse', all, [op.removeResponseHeader, name])).toBe(expected)
    expect(refusal('onRequest', all, [op.setResponseHeader, name, '1'])).toBe(expected)
    expect(refusal('onRequest', all, [op.removeResponseHeader, name])).toBe(expected)
    expect(refusal('onRequest', all, [op.reply, '200', '', '', name, '1'])).toBe(expected)
  })

  test.each([':path', ':authority', ':status', '', ' ', 'x y', 'x:y', 'x\r\ny', 'x\0', 'ä', '"'])(
    '%j is no name',
    (name) => {
      const expected = `${JSON.stringify(name)} is not a header name`
      expect(refusal('onRequest', all, [op.setHeader, name, '1'])).toBe(expected)
      expect(refusal('onResponse', all, [op.appendResponseHeader, name, '1'])).toBe(expected)
      expect(refusal('onRequest', all, [op.reply, '200', '', '', name, '1'])).toBe(expected)
    },
  )
})

describe('values that would end the header are refused', () => {
  test.each(control)('%s', (_, character) => {
    const value = `a${character}b`
    const expected = 'the value of "x-a" has characters that are not allowed in a header'
    expect(refusal('onRequest', all, [op.setHeader, 'x-a', value])).toBe(expected)
    expect(refusal('onResponse', all, [op.setResponseHeader, 'x-a', value])).toBe(expected)
    expect(refusal('onResponse', all, [op.appendResponseHeader, 'x-a', value])).toBe(expected)
    expect(refusal('onRequest', all, [op.appendResponseHeader, 'x-a', value])).toBe(expected)
    expect(refusal('onRequest', all, [op.reply, '200', '', '', 'x-a', value])).toBe(expected)
    expect(refusal('onRequest', all, [op.setHeader, 'x-a', `${value}${character}`])).toBe(expected)
  })

  test('any text at all: what is let through is one line of one header', () => {
    const unit = fc.constantFrom(
      'a',
      'Z',
      '-',
      '_',
      ' ',
      '\t',
      ':',
      '\r',
      '\n',
      '\0',
      '\x1f',
      '\x7f',
      '\x80',
      'ÿ',
      'Ā',
      '💥',
    )
    const text = fc.string({ unit, maxLength: 5 })
    fc.assert(
      fc.property(text, text, (name, value) => {
        const to = flow()
        const refused = apply(to, 'onRequest', all, [op.setHeader, name, value]) instanceof PosternError
        const fine = /^[aZ_-]+$/.test(name) && /^[aZ_: \t\x80ÿĀ💥-]*$/u.test(value)
        expect(refused).toBe(!fine)
        expect(to.requestFields.list).toEqual(['x-kept', '1', ...(fine ? [name.toLowerCase(), asValue(value)] : [])])
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('more than a server would take is refused', () => {
  const largest = 'v'.repeat(writeBounds.value)

  test('one value', () => {
    expect(apply(flow(), 'onRequest', all, [op.setHeader, 'x-a', largest])).toBeUndefined()
    const wide = 'ł'.repeat(writeBounds.value / 2)
    expect(apply(flow(), 'onRequest', all, [op.setHeader, 'x-a', wide])).toBeUndefined()
    expect(refusal('onRequest', all, [op.setHeader, 'x-a', `${wide}ł`])).toContain('has 8194 bytes')
    const expected = 'the value of "x-a" has 8193 bytes; a header value may have at most 8192'
    expect(refusal('onRequest', all, [op.setHeader, 'x-a', `${largest}v`])).toBe(expected)
    expect(refusal('onResponse', all, [op.appendResponseHeader, 'x-a', `${largest}v`])).toBe(expected)
    expect(refusal('onRequest', all, [op.reply, '200', '', '', 'x-a', `${largest}v`])).toBe(expected)
  })

  test('all headers of one hook', () => {
    const lines = Array.from({ length: 8 }, (_, n) => [op.appendResponseHeader, 'x', largest.slice(n === 0 ? 9 : 1)])
    expect(apply(flow(), 'onResponse', all, ...lines.slice(0, 7))).toBeUndefined()
    expect(apply(flow(), 'onResponse', all, ...lines)).toBeUndefined()
    const one = [op.appendResponseHeader, 'x', largest]
    const expected = /^it writes \d+ bytes of headers; one hook may write at most 65536$/
    expect(refusal('onResponse', all, ...lines, one)).toMatch(expected)
    expect(refusal('onRequest', all, ...lines, one)).toMatch(expected)
    // The flow keeps them until there is a response, so removed names count too.
    expect(refusal('onRequest', all, ...lines, [op.removeResponseHeader, largest])).toMatch(expected)
    const headers = Array.from({ length: 9 }, (_, n) => [`x-${n}`, largest]).flat()
    expect(refusal('onRequest', all, [op.reply, '200', '', '', ...headers])).toMatch(expected)
  })
})

describe('what a hook cannot do is refused', () => {
  test.each([
    ['onResponse', [op.setHeader, 'x-a', '1'], 'request headers can be written in onRequest only'],
    [
      'onConnect',
      [op.setResponseHeader, 'x-a', '1'],
      'response headers can be written in onRequest and onResponse only',
    ],
    ['onResponse', [op.useUpstream, 'blue'], 'the upstream can be chosen in onRequest and onConnect only'],
    ['onRequest', [op.useUpstream, 'red'], 'there is no upstream "red"'],
    ['onResponse', [op.consumer, 'bob'], 'the consumer can be set in onRequest only'],
    ['selectBackend', [op.backend, '1'], 'it chooses a backend that is not a candidate'],
    ['selectBackend', [op.backend, '__proto__'], 'it chooses a backend that is not a candidate'],
    ['selectBackend', [op.backend, '-1'], 'it chooses a backend that is not a candidate'],
    ['onRequest', [op.backend, '0'], 'it chooses a backend that is not a candidate'],
    ['selectBackend', [op.reply, '200', '', ''], 'selectBackend cannot reply'],
    ['onRequest', [op.reply, '101', '', ''], "a reply's status must be 200 to 599"],
    ['onRequest', [op.reply, '2e2.5', '', ''], "a reply's status must be 200 to 599"],
    ['selectBackend', [op.health, '1', ABSENT, ABSENT], 'selectBackend cannot set the health of a backend'],
    ['checkHealth', [op.health, '1', '0', ABSENT], 'a weight must be 1 to 1,000'],
    ['checkHealth', [op.health, '1', '1001', ABSENT], 'a weight must be 1 to 1,000'],
    ['checkHealth', [op.health, '1', '1e2', ABSENT], 'a weight must be 1 to 1,000'],
    ['checkHealth', [op.reply, '200', '', ''], 'checkHealth cannot reply'],
    ['checkHealth', [op.backend, '0'], 'it chooses a backend that is not a candidate'],
    ['onRequest', ['?', 'x'], 'unknown operation'],
  ] as const)('%s %j', (hook, operation, expected) => {
    expect(refusal(hook, all, [...operation])).toBe(expected)
  })
})

test('a verdict is decoded, and its reason is limited to 500 characters', () => {
  const says = (...operation: string[]) => apply(flow(), 'checkHealth', [], [op.health, ...operation])
  expect(says('1', '1000', ABSENT)).toEqual({ healthy: true, weight: 1_000 })
  expect(says('', ABSENT, 'gone')).toEqual({ healthy: false, why: 'gone' })
  expect(says('', ABSENT, 'x'.repeat(2_000))).toEqual({ healthy: false, why: 'x'.repeat(500) })
})

test('declared operations are applied, in order', () => {
  const to = flow()
  const result = apply(
    to,
    'onRequest',
    all,
    [op.setHeader, 'X-A', '1'],
    [op.setHeader, 'x-a', '2'],
    [op.removeHeader, 'x-kept'],
    [op.consumer, 'bob'],
    [op.useUpstream, 'blue'],
    [op.state, 's'],
  )
  expect(result).toBeUndefined()
  expect(to.requestFields.list).toEqual(['x-a', '2'])
  expect(to).toMatchObject({ consumer: 'bob', upstream: 'blue', states: ['s'] })
})

test('response headers of onRequest are kept for the response, those of the last policy on top', () => {
  const to = flow()
  const set = [op.setResponseHeader, 'X-A', '1']
  const remove = [op.removeResponseHeader, 'x-kept']
  const first = policy(...all)
  const second = policy(...all)
  expect(applyOperations(to, 'onRequest', first, 0, [set, [op.setHeader, 'x-b', '2'], remove])).toBeUndefined()
  applyOperations(to, 'onRequest', policy(), 1, [[op.state, 's']])
  expect(applyOperations(to, 'onRequest', second, 2, [remove, [op.reply, '403', '', '']])).toMatchObject({
    status: 403,
  })
  expect(to.prepared).toEqual({
    policy: second,
    index: 2,
    operations: [remove],
    before: { policy: first, index: 0, operations: [set, remove], before: undefined },
  })
  expect(to.responseFields.list).toEqual(['x-kept', '1'])
  expect(to.requestFields.list).toEqual(['x-kept', '1', 'x-b', '2'])
})

test('the host checks the bounds of the guest again', () => {
  const state = (length: number): string[] => [op.state, 's'.repeat(length)]
  const consumer = (length: number): string[] => [op.consumer, 'c'.repeat(length)]
  const to = flow()
  apply(to, 'onRequest', ['consumer'], state(bounds.state), consumer(bounds.consumer))
  expect([to.states[0]?.length, to.consumer?.length]).toEqual([4_096, 256])
  expect(refusal('onRequest', [], state(4_097))).toContain('a state has at most 4096 characters, not 4097')
  expect(refusal('onRequest', ['consumer'], consumer(257))).toContain('the name of a consumer has at most 256')
})
