import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Fields, Spelling } from '../../core/http/fields.ts'
import { Malformed } from '../../core/http/malformed.ts'
import { encodeFields } from '../../core/http1/encode-fields.ts'
import {
  parseRequestHead,
  parseResponseHead,
  type RequestHead,
  type ResponseHead,
} from '../../core/http1/parse-head.ts'

const name = fc.constantFrom('Host', 'X-A', 'x-a', 'SOAPAction', 'Via', 'Connection', 'cookie', 'Date')
const value = fc.constantFrom('', '1', 'close', 'keep-alive, x-a', '\u00ff', 'a long value of a field')
const framing = fc.constantFrom(
  [],
  ['Content-Length: 5'],
  ['content-length: 00'],
  ['Transfer-Encoding: chunked'],
  ['Content-Length: 1', 'Content-Length: 1'],
)
const section = fc.tuple(fc.array(fc.tuple(name, value), { maxLength: 8 }), framing).map(([all, framed]) => {
  return [...all.map(([name, value]) => `${name}: ${value}`), ...framed].map((line) => `${line}\r\n`).join('')
})

/** What a gateway does to fields. */
const change = fc.tuple(
  fc.constantFrom('put', 'delete', 'push'),
  name.map((one) => one.toLowerCase()),
  fc.constantFrom('1', 'gateway'),
)
type Change = readonly [string, string, string]

function alter(fields: Fields, changes: readonly Change[]): void {
  for (const [kind, name, value] of changes) {
    if (kind === 'put') fields.put(name, value)
    else if (kind === 'delete') fields.delete(name)
    else fields.list.push(name, value)
  }
}

/** All that a head says, and what goes on the wire after these changes. */
function told(head: RequestHead | ResponseHead | Malformed, changes: readonly Change[]): unknown {
  if (head instanceof Malformed) return head
  const { fields, ...line } = head
  const list = [...fields.list]
  alter(fields, changes)
  const { names } = fields.spelling!
  const alone = new Fields([...fields.list], true, new Spelling(names))
  expect(encodeFields(fields)).toBe(encodeFields(alone))
  return { ...line, list, names }
}

const request = (line: string, section: string): RequestHead | Malformed => {
  const bytes = Buffer.from(`${line}\r\n${section}`, 'latin1')
  return parseRequestHead(bytes, 0, bytes.length)
}
const response = (line: string, section: string, method: string): ResponseHead | Malformed => {
  const bytes = Buffer.from(`${line}\r\n${section}`, 'latin1')
  return parseResponseHead(bytes, 0, bytes.length, method)
}

/** Sets that a shared table has not seen, so that each run begins with an unknown head. */
let run = 0
const fresh = (section: string): string => `${section}x-run: ${run++}\r\n`

describe('a head that has come before', () => {
  test('means the same each time, whatever was done to the fields of the others', () => {
    const line = fc.constantFrom('GET /a HTTP/1.1', 'HEAD / HTTP/1.1', 'GET /a HTTP/1.0', 'CONNECT a:1 HTTP/1.1')
    fc.assert(
      fc.property(section, fc.array(fc.tuple(line, fc.array(change)), { maxLength: 6 }), (text, rounds) => {
        const same = fresh(text)
        for (const [line, changes] of rounds) {
          // The other section has as many fields with the same names, and is not known.
          expect(told(request(line, same), changes)).toEqual(unlike(told(request(line, fresh(text)), changes), same))
        }
      }),
    )
  })

  test('of a response too, with and without a body', () => {
    const line = fc.constantFrom(
      'HTTP/1.1 200 OK',
      'HTTP/1.1 200 fine',
      'HTTP/1.0 200 OK',
      'HTTP/1.1 304 ',
      'HTTP/1.1 103',
    )
    const round = fc.tuple(line, fc.constantFrom('GET', 'HEAD'), fc.array(change))
    fc.assert(
      fc.property(section, fc.array(round, { maxLength: 6 }), (text, rounds) => {
        const same = fresh(text)
        for (const [line, method, changes] of rounds) {
          const known = told(response(line, same, method), changes)
          expect(known).toEqual(unlike(told(response(line, fresh(text), method), changes), same))
        }
      }),
    )
  })

  test('and one that differs in a single character does not', () => {
    const of = (value: string): string[] => {
      const head = request('GET / HTTP/1.1', `host: a\r\nx-a: ${value}\r\n`)
      return head instanceof Malformed ? [] : head.fields.list
    }
    for (const value of ['1', '1', '1', '2', '1', '2', '2', '2', '1'])
      expect(of(value)).toEqual(['host', 'a', 'x-a', value])
  })
})

/** What was told of another run, with the number of this one. */
function unlike(other: unknown, section: string): unknown {
  const [, number = ''] = /x-run: (\d+)\r\n$/.exec(section) ?? []
  if (other instanceof Malformed) return other
  const { list, ...rest } = other as { list: string[] }
  return { ...rest, list: list.map((one, i) => (list[i - 1] === 'x-run' ? number : one)) }
}
