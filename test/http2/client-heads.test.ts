import { describe, expect, test } from 'vitest'
import { Fields } from '../../core/http/fields.ts'
import { Malformed } from '../../core/http/malformed.ts'
import { announcedLength, requestList, trailerList } from '../../core/http2/request-list.ts'
import { readResponseHead, readTrailers } from '../../core/http2/response-head.ts'

const repeat = (count: number): string[] => Array.from({ length: count }, () => ['a', 'b']).flat()

describe('the head of a response', () => {
  test('status, fields and length', () => {
    const head = readResponseHead([':status', '200', 'content-length', '12', 'set-cookie', 'a', 'set-cookie', 'b'])
    if (head instanceof Malformed) throw new Error(head.problem)
    expect(head).toMatchObject({ status: 200, length: 12 })
    expect(head.fields.list).toEqual(['content-length', '12', 'set-cookie', 'a', 'set-cookie', 'b'])
  })

  test.each<[string, string[], number]>([
    ['without fields', [':status', '204'], 204],
    ['an interim one', [':status', '103', 'link', '</a>'], 103],
    ['an unknown status', [':status', '999'], 999],
    ['an empty value', [':status', '200', 'x', ''], 200],
    ['bytes above ASCII and tabs inside', [':status', '200', 'x', '\xe4\t\xff'], 200],
    ['a field that only requests know', [':status', '200', 'host', 'h'], 200],
    ['the most fields', [':status', '200', ...repeat(500)], 200],
  ])('taken: %s', (_what, list, status) => {
    expect(readResponseHead(list)).toMatchObject({ status })
  })

  test.each<[string, string[], RegExp]>([
    ['nothing', [], /":status" is missing/],
    ['no status', ['a', 'b'], /":status" is missing/],
    ['the status twice', [':status', '200', ':status', '200'], /twice/],
    ['the status late', ['a', 'b', ':status', '200'], /":status" is missing/],
    ['a second status late', [':status', '200', 'a', 'b', ':status', '200'], /follows a header/],
    ['a pseudo-header of requests', [':status', '200', ':path', '/'], /not ":status"/],
    ['an unknown pseudo-header', [':reason', 'OK', ':status', '200'], /not ":status"/],
    ['a bare colon', [':status', '200', ':', 'x'], /not ":status"/],
    ['two digits', [':status', '20'], /three digits/],
    ['four digits', [':status', '2000'], /three digits/],
    ['a reason', [':status', '200 OK'], /three digits/],
    ['a sign', [':status', '+20'], /three digits/],
    ['a status below 100', [':status', '099'], /three digits/],
    ['101', [':status', '101'], /HTTP\/2 does not have/],
    ['a name in upper case', [':status', '200', 'X', 'y'], /lower case/],
    ['an empty name', [':status', '200', '', 'y'], /token/],
    ['a space in a name', [':status', '200', 'a b', 'y'], /token/],
    ['a colon in a name', [':status', '200', 'a:b', 'y'], /token/],
    ['a byte above ASCII in a name', [':status', '200', '\xe4', 'y'], /token/],
    ['NUL in a value', [':status', '200', 'a', '\0'], /control character/],
    ['CR in a value', [':status', '200', 'a', 'b\rc'], /control character/],
    ['LF in a value', [':status', '200', 'a', 'b\nc: d'], /control character/],
    ['a space before a value', [':status', '200', 'a', ' b'], /whitespace around/],
    ['a tab behind a value', [':status', '200', 'a', 'b\t'], /whitespace around/],
    ['connection', [':status', '200', 'connection', 'close'], /"connection" belongs/],
    ['keep-alive', [':status', '200', 'keep-alive', 'timeout=1'], /"keep-alive" belongs/],
    ['proxy-connection', [':status', '200', 'proxy-connection', 'x'], /"proxy-connection" belongs/],
    ['transfer-encoding', [':status', '200', 'transfer-encoding', 'chunked'], /"transfer-encoding" belongs/],
    ['upgrade', [':status', '200', 'upgrade', 'h2c'], /"upgrade" belongs/],
    ['te', [':status', '200', 'te', 'trailers'], /"te" belongs/],
    ['two lengths', [':status', '200', 'content-length', '1', 'content-length', '1'], /one decimal number/],
    ['a list of lengths', [':status', '200', 'content-length', '1, 1'], /one decimal number/],
    ['a length with a sign', [':status', '200', 'content-length', '-1'], /one decimal number/],
    ['a leading zero', [':status', '200', 'content-length', '01'], /one decimal number/],
    ['an empty length', [':status', '200', 'content-length', ''], /one decimal number/],
    ['a length of 16 digits', [':status', '200', 'content-length', '1'.repeat(16)], /one decimal number/],
    ['too many fields', [':status', '200', ...repeat(501)], /more than 500/],
  ])('refused: %s', (_what, list, problem) => {
    expect((readResponseHead(list) as Malformed).problem).toMatch(problem)
  })
})

describe('trailers of a response', () => {
  test('without a length', () => {
    const fields = readTrailers(['grpc-status', '0', 'content-length', '3'])
    expect((fields as Fields).list).toEqual(['grpc-status', '0'])
  })

  test.each<[string, string[], RegExp]>([
    ['a status', ['a', 'b', ':status', '200'], /among the trailers/],
    ['upper case', ['A', 'b'], /lower case/],
    ['a connection field', ['transfer-encoding', 'chunked'], /belongs/],
    ['a control character', ['a', '\x7f'], /control character/],
    ['too many', repeat(201), /more than 200/],
  ])('refused: %s', (_what, list, problem) => {
    expect((readTrailers(list) as Malformed).problem).toMatch(problem)
  })
})

describe('the list of a request', () => {
  const request = (list: string[], hasBody = false) => ({
    method: 'GET',
    target: '/a?b',
    fields: new Fields(list, true),
    hasBody,
  })

  test('pseudo-headers first, the host as authority', () => {
    const list = requestList(request(['accept', '*/*', 'host', 'h:1', 'te', 'trailers']), false)
    const pseudo = [':method', 'GET', ':scheme', 'http', ':authority', 'h:1', ':path', '/a?b']
    expect(list).toEqual([...pseudo, 'accept', '*/*', 'te', 'trailers'])
    expect(requestList(request([]), true)).toEqual([':method', 'GET', ':scheme', 'https', ':path', '/a?b'])
  })

  test.each<[string, string[], boolean, string[]]>([
    [
      'nothing of a connection',
      ['connection', 'x', 'keep-alive', 'y', 'transfer-encoding', 'chunked', 'upgrade', 'z'],
      true,
      [],
    ],
    ['values without whitespace around them', ['a', ' b\t', 'c', ' ', 'd', ''], false, ['a', 'b', 'c', '', 'd', '']],
    ['the length of a body', ['content-length', '5'], true, ['content-length', '5']],
    ['the length of no body', ['content-length', '0'], false, ['content-length', '0']],
    ['no length that is no number', ['content-length', '5, 5'], true, []],
    ['cookies as they are', ['cookie', 'a=1; b=2'], false, ['cookie', 'a=1; b=2']],
  ])('%s', (_what, fields, hasBody, rest) => {
    expect(requestList(request(fields, hasBody), false).slice(6)).toEqual(rest)
  })

  test('shared fields follow', () => {
    const one = request(['a', 'b'])
    one.fields.shared = { list: ['via', '2 p', 'connection', 'x'], encoded: undefined }
    expect(requestList(one, false).slice(6)).toEqual(['a', 'b', 'via', '2 p'])
  })

  test('the length that a body has to have', () => {
    expect(announcedLength(request(['content-length', '7'], true))).toBe(7)
    expect(announcedLength(request(['content-length', '7']))).toBeUndefined()
    expect(announcedLength(request([], true))).toBeUndefined()
  })

  test('trailers', () => {
    expect(trailerList(undefined)).toBeUndefined()
    expect(trailerList(new Fields(['host', 'h', 'content_length', '1'], true))).toBeUndefined()
    expect(trailerList(new Fields(['x-sum', ' 1', 'authorization', 'a'], true))).toEqual(['x-sum', '1'])
  })
})
