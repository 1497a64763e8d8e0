import { expect, test } from 'vitest'
import { allowedBy, originProblem, parseOrigin } from '../../core/grants/origin.ts'

test.each([
  ['https://id.example.com', 'https://id.example.com', false],
  ['HTTPS://ID.example.com:443', 'https://id.example.com', false],
  ['http://keys.internal:8080', 'http://keys.internal:8080', false],
  ['http://10.0.0.5:8080', 'http://10.0.0.5:8080', true],
  ['http://0x7f.1', 'http://127.0.0.1', true],
  ['http://[::1]:81', 'http://[::1]:81', true],
])('%s', (text, origin, isPrivate) => {
  expect(originProblem(text)).toBeUndefined()
  expect(parseOrigin(text)).toEqual({ origin, private: isPrivate })
  expect(parseOrigin(text, true)).toEqual({ origin, private: true })
})

test.each([
  ['id.example.com', 'is not an origin'],
  ['ftp://id.example.com', 'is not an origin'],
  ['https:id.example.com', 'is not an origin'],
  ['https://', 'is not an origin'],
  ['https://*.example.com/x', 'write "https://*.example.com"'],
  ['https://id.example.com/', 'write "https://id.example.com"'],
  ['https://id.example.com/jwks', 'write "https://id.example.com"'],
  ['https://id.example.com?x', 'write "https://id.example.com"'],
  ['https://ann:pw@id.example.com', 'must not have a user name'],
])('%s is refused', (text, problem) => {
  expect(originProblem(text)).toContain(problem)
})

test('an origin is its scheme, host and port, and nothing like it', () => {
  const origins = [parseOrigin('https://id.example.com')]
  const allowed = (url: string): boolean => allowedBy(origins, new URL(url)) !== undefined
  expect(allowed('https://id.example.com/any/path?q#f')).toBe(true)
  expect(allowed('https://id.example.com:443/')).toBe(true)
  for (const url of [
    'http://id.example.com/',
    'https://id.example.com:8443/',
    'https://id.example.com.evil.example/',
    'https://id.example.com@evil.example/',
    'https://sub.id.example.com/',
    'https://id.example.com./',
  ]) {
    expect(allowed(url)).toBe(false)
  }
})
