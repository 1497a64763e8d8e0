import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import requestCases from '../cases/http1/requests.json' with { type: 'json' }
import responseCases from '../cases/http1/responses.json' with { type: 'json' }
import { knowsMethod, llhttpRequests, llhttpResponse } from './llhttp.ts'
import { bytesOf, type Message, type Reading, readRequests, readResponse } from './messages.ts'
import { naiveRequests, naiveResponse } from './naive.ts'
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
 * Whatever ours takes, the other takes, with the same framing and the same fields. What ours has not read to its end is
 * compared as far as it has been read.
 */
function expectTheSame(ours: Reading, theirs: Reading, messages: readonly Message[] = ours.messages): void {
  messages.forEach((message, i) => {
    const other = theirs.messages[i]
    expect(other, `message ${i} is not there for the other: ${theirs.refused}`).toBeDefined()
    expect(head(message)).toEqual(head(other!))
    if (message.complete) expect(message).toEqual(other)
    else if (ours.refused === undefined) expect(other!.body.startsWith(message.body)).toBe(true)
  })
}

function head({ version, method, target, status, reason, fields }: Message): object {
  return { version, method, target, status, reason, fields }
}

/**
 * Compares with llhttp. It is not asked about what is odd, nor about whitespace in chunk extensions: that is in the grammar,
 * and llhttp refuses it. It refuses methods that it does not know, and bytes above 0x7F in a target, and reads nothing after
 * them. It keeps leading zeros in a length.
 */
function expectLikeLlhttp(ours: Reading, theirs: Reading, stream: string): void {
  const isChunked = ours.messages.some(({ fields }) => fields.includes('transfer-encoding'))
  if (ours.lenient || (isChunked && /[\da-f;][^\r\n]*[\t ][^\r\n]*\r?\n/i.test(stream))) return
  for (const { fields } of theirs.messages) {
    const at = fields.findIndex((text, i) => i % 2 === 0 && text === 'content-length') + 1
    if (at > 0) fields[at] = fields[at]!.replace(/^0+(?=\d)/, '')
  }
  // It takes the option behind two spaces for another one, and the connection for closed.
  if (theirs.refused === 'HPE_CLOSED_CONNECTION' && /connection:[\t ]{2}|connection:\t/i.test(stream)) return
  const strange = ours.messages.findIndex(
    ({ method, target }) => method !== undefined && isStrange(method, target ?? ''),
  )
  expectTheSame(ours, theirs, strange === -1 ? ours.messages : ours.messages.slice(0, strange))
}

function isStrange(method: string, target: string): boolean {
  return !knowsMethod(method) || /[\x80-\xff]/.test(target)
}

describe('requests', () => {
  const check = (stream: string): void => {
    const ours = readRequests([bytesOf(stream)])
    expectTheSame(ours, naiveRequests(stream))
    expectLikeLlhttp(ours, llhttpRequests(stream), stream)
  }

  test('grammar: what is taken, llhttp and a naive reader read in the same way', { timeout }, () => {
    fc.assert(fc.property(requestStream, check), { numRuns })
  })
  test('mutation: what is taken, llhttp and a naive reader read in the same way', { timeout }, () => {
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
    for (const ended of [true, false]) {
      const ours = readResponse([bytesOf(stream)], asked, ended)
      expectTheSame(ours, naiveResponse(stream, asked, ended))
      expectLikeLlhttp(ours, llhttpResponse(stream, asked, ended), stream)
    }
  }

  test('grammar: what is taken, a naive reader reads in the same way, and llhttp unless it is odd', { timeout }, () => {
    fc.assert(fc.property(responseStream, method, check), { numRuns })
  })
  test('mutation: what is taken, a naive reader reads in the same way, and llhttp unless it is odd', {
    timeout,
  }, () => {
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
  const odd = fc.sample(mutated(responses), { numRuns: 500, seed: 1 }).map(read)
  expect(odd.filter((reading) => reading.lenient && whole(reading)).length).toBeGreaterThan(10)
})

/** A stream that is refused may be so a little sooner or later, and for another reason, when it comes in pieces. */
function expectSame(pieces: Reading, whole: Reading): void {
  expect(pieces.refused !== undefined).toBe(whole.refused !== undefined)
  if (whole.refused === undefined) expect(pieces.messages).toEqual(whole.messages)
  expect(pieces.messages.filter(({ complete }) => complete)).toEqual(whole.messages.filter(({ complete }) => complete))
}
