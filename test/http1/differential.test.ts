import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import requestCases from '../cases/http1/requests.json' with { type: 'json' }
import responseCases from '../cases/http1/responses.json' with { type: 'json' }
import { knowsMethod, llhttpRequests, llhttpResponse } from './llhttp.ts'
import { bytesOf, type Message, type Reading, readRequests, readResponse } from './messages.ts'
import { cut, mutated, requestStream, responseStream } from './streams.ts'

/** `HTTP1_FUZZ_RUNS=1000000` for an afternoon. */
const numRuns = Number(process.env.HTTP1_FUZZ_RUNS ?? 4000)
const timeout = 60_000 + numRuns * 10

/** Those that are taken count fourfold: most of what is refused stays refused. */
const corpus = (cases: { bytes: string; accepted?: unknown }[]): string[] =>
  cases
    .filter(({ bytes }) => bytes.length < 2000)
    .flatMap(({ bytes, accepted }) => (accepted === undefined ? [bytes] : [bytes, bytes, bytes, bytes]))
const requests = corpus(requestCases)
const responses = corpus(responseCases)
const cuts = fc.array(fc.nat(), { maxLength: 6 })

/**
 * Whatever ours takes, llhttp takes, with the same framing and the same fields. What ours has not read to its end is
 * compared as far as it has been read. llhttp refuses methods that it does not know, and bytes above 0x7F in a target, and
 * reads nothing after them.
 */
function expectAtLeastAsStrict(ours: Reading, theirs: Reading): void {
  const strange = ours.messages.findIndex(
    ({ method, target }) => method !== undefined && isStrange(method, target ?? ''),
  )
  const compared = strange === -1 ? ours.messages : ours.messages.slice(0, strange)
  compared.forEach((message, i) => {
    const other = theirs.messages[i]
    expect(other, `message ${i} is not there for llhttp: ${theirs.refused}`).toBeDefined()
    expect(head(message)).toEqual(head(other!))
    if (message.complete) expect(message).toEqual(other)
    else if (ours.refused === undefined) expect(other!.body.startsWith(message.body)).toBe(true)
  })
}

function isStrange(method: string, target: string): boolean {
  return !knowsMethod(method) || /[\x80-\xff]/.test(target)
}

function head({ version, method, target, status, reason, fields }: Message): object {
  return { version, method, target, status, reason, fields }
}

/** RFC 9112 §5.1 has a proxy drop the space before the colon of a response; llhttp refuses it, and is right to. */
const spaceBeforeColon = /[!-9;-~][\t ]+:/

describe('requests', () => {
  const check = (stream: string): void => expectAtLeastAsStrict(readRequests([bytesOf(stream)]), llhttpRequests(stream))

  test('grammar: at least as strict as llhttp', { timeout }, () => {
    fc.assert(fc.property(requestStream, check), { numRuns })
  })
  test('mutation: at least as strict as llhttp', { timeout }, () => {
    fc.assert(fc.property(mutated(requests), check), { numRuns })
  })
  test('however the stream is cut, the same comes out', { timeout }, () => {
    const streams = fc.oneof(mutated(requests), requestStream)
    fc.assert(
      fc.property(streams, cuts, (stream, places) => {
        const bytes = bytesOf(stream)
        expectSame(readRequests(cut(bytes, places)), readRequests([bytes]))
      }),
      { numRuns: numRuns / 2 },
    )
  })
})

describe('responses', () => {
  const method = fc.constantFrom('GET', 'GET', 'HEAD')
  const check = (stream: string, asked: string): void => {
    if (spaceBeforeColon.test(stream)) return
    for (const ended of [true, false]) {
      expectAtLeastAsStrict(readResponse([bytesOf(stream)], asked, ended), llhttpResponse(stream, asked, ended))
    }
  }

  test('grammar: at least as strict as llhttp', { timeout }, () => {
    fc.assert(fc.property(responseStream, method, check), { numRuns })
  })
  test('mutation: at least as strict as llhttp', { timeout }, () => {
    fc.assert(fc.property(mutated(responses), method, check), { numRuns })
  })
  test('however the stream is cut, the same comes out', { timeout }, () => {
    const streams = fc.oneof(mutated(responses), responseStream)
    fc.assert(
      fc.property(streams, cuts, method, (stream, places, asked) => {
        const bytes = bytesOf(stream)
        expectSame(readResponse(cut(bytes, places), asked, true), readResponse([bytes], asked, true))
      }),
      { numRuns: numRuns / 2 },
    )
  })
})

test('the streams are worth reading: a good part of them holds a whole message', () => {
  const whole = (reading: Reading): boolean => reading.messages.some(({ complete }) => complete)
  const share = (streams: fc.Arbitrary<string>, read: (stream: string) => Reading): number =>
    fc.sample(streams, { numRuns: 500, seed: 1 }).filter((stream) => whole(read(stream))).length / 500
  const readRequest = (stream: string): Reading => readRequests([bytesOf(stream)])
  const read = (stream: string): Reading => readResponse([bytesOf(stream)], 'GET', true)
  expect(share(requestStream, readRequest)).toBeGreaterThan(0.05)
  expect(share(mutated(requests), readRequest)).toBeGreaterThan(0.05)
  expect(share(responseStream, read)).toBeGreaterThan(0.05)
  expect(share(mutated(responses), read)).toBeGreaterThan(0.05)
})

/** A stream that is refused may be so a little sooner or later, and for another reason, when it comes in pieces. */
function expectSame(pieces: Reading, whole: Reading): void {
  expect(pieces.refused !== undefined).toBe(whole.refused !== undefined)
  if (whole.refused === undefined) expect(pieces.messages).toEqual(whole.messages)
  expect(pieces.messages.filter(({ complete }) => complete)).toEqual(whole.messages.filter(({ complete }) => complete))
}
