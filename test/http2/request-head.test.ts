import { describe, expect, test } from 'vitest'
import type { Fields } from '../../core/http/fields.ts'
import { Malformed } from '../../core/http/malformed.ts'
import { readRequestHead, readRequestTrailers } from '../../core/http2/request-head.ts'
import heads from '../cases/http2/request-heads.json' with { type: 'json' }

interface Case {
  readonly what: string
  /** Pseudo-headers besides those of `GET https://a.test/`; `null` leaves one out. */
  readonly pseudo?: Readonly<Record<string, string | null>>
  /** Names and values in turn. */
  readonly fields?: readonly string[]
  /** The whole list instead of the above. */
  readonly list?: readonly string[]
  /** Whether a body follows. Default: false. */
  readonly hasBody?: boolean
  readonly accepted?: {
    readonly method?: string
    readonly target?: string
    readonly fields?: readonly string[]
    readonly length?: number
    readonly protocol?: string
  }
  /** A part of what is said about it. */
  readonly refused?: string
}

const plain = { ':method': 'GET', ':scheme': 'https', ':authority': 'a.test', ':path': '/' }

function listOf({ list, pseudo, fields = [] }: Case): string[] {
  if (list !== undefined) return [...list]
  const all = Object.entries({ ...plain, ...pseudo }).filter((pair): pair is [string, string] => pair[1] !== null)
  return [...all.flat(), ...fields]
}

describe('the head of a request', () => {
  test.each(heads as Case[])('$what', (one) => {
    const head = readRequestHead(listOf(one), one.hasBody !== true)
    if (one.refused !== undefined) {
      expect((head as Malformed).problem).toContain(one.refused)
      return
    }
    if (head instanceof Malformed) throw new Error(head.problem)
    const { method = 'GET', target = '/', fields = ['host', 'a.test'], length, protocol } = one.accepted!
    expect({ ...head, fields: head.fields.list }).toEqual({ method, target, fields, length, protocol })
  })

  test('200 fields are taken, 201 answered with 431', () => {
    const fields = (count: number): string[] => Array.from({ length: count }, () => ['x', 'y']).flat()
    const read = (count: number): unknown => readRequestHead(listOf({ what: '', fields: fields(count) }), true)
    expect(read(200)).not.toBeInstanceOf(Malformed)
    expect(read(201)).toMatchObject({ status: 431 })
  })
})

describe('trailers of a request', () => {
  test('in order', () => {
    const fields = readRequestTrailers(['x-b', '1', 'x-a', '2'])
    expect((fields as Fields).list).toEqual(['x-b', '1', 'x-a', '2'])
  })

  test.each([
    ['a pseudo-header', [':path', '/'], 'among the trailers'],
    ['upper case', ['X', 'y'], 'lower case'],
    ['a field of connections', ['connection', 'close'], '"connection" belongs'],
    ['a length', ['content-length', '3'], 'Content-Length'],
    ['te', ['te', 'trailers'], '"te" belongs'],
    ['a line feed', ['x', 'a\nb'], 'control character'],
  ])('refused: %s', (_what, list, problem) => {
    expect((readRequestTrailers(list) as Malformed).problem).toContain(problem)
  })
})
