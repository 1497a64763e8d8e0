import { definePlugin, reply } from 'postern/sdk'

interface Attempt {
  /** `write`: in a header's value; `throw`: in an error; `hang`, `emit`: by the function that sends late records. */
  readonly way: 'write' | 'throw' | 'encode' | 'hang' | 'emit'
  readonly before?: string
  readonly text?: string
  readonly times?: number
}

interface Held {
  readonly id: number
  readonly emit?: (id: unknown, record: unknown) => void
}

/** Arrays that the runtime has filled: in them it keeps the calls that wait. */
const filled: unknown[][] = []
const { fill } = Array.prototype
Array.prototype.fill = function (this: unknown[], ...args: [unknown]) {
  filled.push(this)
  return fill.apply(this, args)
}
const { replace } = String.prototype

/** Forges its records: makes the builtins that should escape its text return separators and operations. */
export default definePlugin({
  name: 'forge',
  reads: ['header:x-attempt'],
  writes: ['header:x-declared', 'response.body'],
  onRequest({ request }) {
    String.prototype.replace = replace
    const attempt = JSON.parse(decodeURIComponent(request.header('x-attempt') ?? '{}')) as Attempt
    const { way, before = '', text = '', times = 1 } = attempt
    if (way === 'hang') return new Promise(() => {})
    if (way === 'emit') return reply(200, String(emitAll()))
    if (way === 'encode') return
    const forged = before + text.repeat(times)
    String.prototype.replace = () => forged
    if (way === 'throw') throw new Error('\x1b')
    request.setHeader('x-declared', '\x1b')
    String.prototype.replace = replace
  },
  onResponse({ request, response }) {
    if (request.header('x-attempt')?.includes('encode') !== true) return
    Uint8Array.prototype.toBase64 = () => '\x1dW'.repeat(650_000)
    response.setBody('as written')
  },
})

/** Sends records for calls of its own and of others, long ones and none. Returns how many ways to do so it has found. */
function emitAll(): number {
  let found = 0
  for (const list of filled) {
    for (const call of list as (Held | undefined)[]) {
      const { id = 0, emit } = call ?? {}
      if (emit === undefined) continue
      found++
      for (let other = id - 50; other < id + 50; other++) if (other !== id) emit(other, 'H\x1ex-neighbour\x1eforged')
      for (const [wrong, record] of [
        [{}, 'W'],
        [Number.NaN, 'W'],
        [id, {}],
        [id, new Proxy({}, {})],
      ]) {
        try {
          emit(wrong, record)
        } catch {
          // Refused on the way.
        }
      }
      for (let i = 0; i < 3; i++) emit(id, 'x'.repeat(16_000_000))
    }
  }
  return found
}
