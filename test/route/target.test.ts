import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseTarget, type Target } from '../../core/route/target.ts'
import file from '../cases/route/target.json' with { type: 'json' }

interface Case {
  title: string
  method?: string
  raw: string
  hosts?: string[]
  scheme?: 'http' | 'https'
  target?: Partial<Target>
  refused?: 'DPE' | 'PN'
}

describe('targets', () => {
  test.each(file as unknown as Case[])(
    '$title',
    ({ method = 'GET', raw, hosts = ['example.com'], scheme = 'http', ...want }) => {
      const result = parseTarget(method, raw, hosts, scheme)
      if (want.target !== undefined) expect(result).toMatchObject(want.target)
      else expect(result).toEqual({ problem: expect.any(String), code: want.refused })
    },
  )
})

test('no problem carries a control character to the log', () => {
  for (const code of Array.from({ length: 300 }, (_, index) => index)) {
    for (const raw of [`/${String.fromCharCode(code)}`, `/?${String.fromCharCode(code)}`]) {
      const result = parseTarget('GET', raw, ['a'], 'http')
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

test('no path that is accepted means anything else to a URL parser', () => {
  fc.assert(
    fc.property(pieces, (list) => {
      const raw = `/${list.join('')}`
      const target = parseTarget('GET', raw, ['example.com'], 'http')
      if ('problem' in target) return
      expect(target.full).toBe(raw)
      expect(target.path + (target.hasQuery ? `?${target.query}` : '')).toBe(raw)
      expect(new URL(raw, 'http://example.com').pathname).toBe(target.path)
      expect(new URL(`http://example.com${raw}`).pathname).toBe(target.path)
    }),
    { numRuns: 5000 },
  )
})

test('an accepted path stays one path after any number of decodings', () => {
  const tame = /(^|\/)\.{1,2}(\/|$)|\/\/|[\\;]|%[0-9a-f]{2}/i
  fc.assert(
    fc.property(pieces, (list) => {
      const target = parseTarget('GET', `/${list.join('')}`, ['example.com'], 'http')
      if (!('problem' in target)) expect(decodeURIComponent(target.path)).not.toMatch(tame)
    }),
    { numRuns: 5000 },
  )
})

test('absolute-form and origin-form give the same target', () => {
  fc.assert(
    fc.property(pieces, fc.constantFrom('a.org', 'A.org:80', '[::1]:81', 'a..b', 'u@a', 'a.org:x'), (list, host) => {
      const raw = `/${list.join('')}`
      const origin = parseTarget('GET', raw, [host], 'http')
      const absolute = parseTarget('GET', `http://${host}${raw}`, ['example.com'], 'http')
      expect(absolute).toEqual(origin)
    }),
  )
})
