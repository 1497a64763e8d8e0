import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseTarget, type Target, type TargetProblem } from '../../core/route/target.ts'
import file from '../cases/route/target.json' with { type: 'json' }

interface Case {
  title: string
  method?: string
  raw: string
  hosts?: string[]
  schemes?: string[]
  version?: '1.0'
  target?: Partial<Target>
  refused?: 'DPE' | 'PN'
}

function read(raw: string, host = 'example.com'): Target | TargetProblem {
  return parseTarget({ method: 'GET', raw, hosts: [host], version: '1.1', schemes: ['http'] })
}

describe('targets', () => {
  test.each(file as unknown as Case[])('$title', (one) => {
    const { method = 'GET', raw, hosts = ['example.com'], schemes = ['http'], version = '1.1' } = one
    const result = parseTarget({ method, raw, hosts, version, schemes })
    if (one.target !== undefined) expect(result).toMatchObject(one.target)
    else expect(result).toEqual({ problem: expect.any(String), code: one.refused })
  })
})

test('no problem carries a control character to the log', () => {
  for (const code of Array.from({ length: 300 }, (_, index) => index)) {
    for (const raw of [`/${String.fromCharCode(code)}`, `/?${String.fromCharCode(code)}`]) {
      const result = read(raw)
      if ('problem' in result) expect(result.problem).toMatch(/^[\x20-\x7e]+$/)
    }
  }
})

/** Pieces that make clean and unclean targets in like measure. */
const pieces = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom('/', 'a', 'B', '.', '..', '%', '%2', '%2e', '%25', '%C3%A9', '%2F', '?', '#'),
    },
    { weight: 2, arbitrary: fc.string({ maxLength: 2, unit: 'binary-ascii' }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 255 }).map((byte) => `%${byte.toString(16).padStart(2, '0')}`) },
  ),
  { maxLength: 8 },
)

test('a plain path means nothing else to a URL parser', () => {
  let plain = 0
  fc.assert(
    fc.property(pieces, (list) => {
      const raw = `/${list.join('')}`
      const target = read(raw)
      if ('problem' in target) return
      expect(target.full).toBe(raw)
      if (!target.isPlain) return
      plain++
      expect(target.path + (target.hasQuery ? `?${target.query}` : '')).toBe(raw)
      // A parser encodes some characters; what they mean stays the same.
      const meaning = decodeURIComponent(target.path)
      expect(decodeURIComponent(new URL(raw, 'http://example.com').pathname)).toBe(meaning)
      expect(decodeURIComponent(new URL(`http://example.com${raw}`).pathname)).toBe(meaning)
    }),
    { numRuns: 5000 },
  )
  expect(plain).toBeGreaterThan(500)
})

test('a plain path stays one path after any number of decodings', () => {
  const tame = /(^|\/)\.{1,2}(\/|$)|\/\/|[\\;]|%[0-9a-f]{2}/i
  fc.assert(
    fc.property(pieces, (list) => {
      const target = read(`/${list.join('')}`)
      if (!('problem' in target) && target.isPlain) expect(decodeURIComponent(target.path)).not.toMatch(tame)
    }),
    { numRuns: 5000 },
  )
})

test('absolute-form and origin-form give the same target', () => {
  fc.assert(
    fc.property(pieces, fc.constantFrom('a.org', 'A.org:80', '[::1]:81', 'a..b', 'u@a', 'a.org:x'), (list, host) => {
      const raw = `/${list.join('')}`
      expect(read(`http://${host}${raw}`)).toEqual(read(raw, host))
    }),
  )
})
