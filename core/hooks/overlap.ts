import type { When } from '../../sdk/when.ts'
import { withHead } from '../http/methods.ts'
import { type Pattern, pathPattern } from '../route/pattern.ts'

/** Whether writing `written` may change the value of `read`. Both are normalised scopes. */
export function covers(written: string, read: string): boolean {
  if (written === read) return true
  if (written === 'header:cookie' && read.startsWith('cookie:')) return true
  if (written === 'body' || written === 'response.body') return read.startsWith(`${written}:`)
  if (!written.endsWith(':*')) return false
  const family = written.slice(0, -1)
  return read.startsWith(family) || (family === 'header:' && read.startsWith('cookie:'))
}

/** Whether one request can match both triggers. Headers are ignored: a request can have any combination of them. */
export function canMeet(a: When | undefined, b: When | undefined): boolean {
  if (a === undefined || b === undefined) return true
  if (a.methods !== undefined && b.methods !== undefined) {
    const others = new Set(withHead(b.methods))
    if (!withHead(a.methods).some((method) => others.has(method))) return false
  }
  if (a.paths === undefined || b.paths === undefined) return true
  const theirs = b.paths.map((path) => pathPattern({ path }))
  return a.paths.some((path) => theirs.some((other) => pathsMeet(pathPattern({ path }), other)))
}

function pathsMeet(a: Pattern, b: Pattern): boolean {
  if (a.kind === 'exact') return b.kind === 'exact' ? a.text === b.text : a.text.startsWith(b.text)
  return b.kind === 'exact' ? b.text.startsWith(a.text) : a.text.startsWith(b.text) || b.text.startsWith(a.text)
}
