import { measureCpu } from './cpu-time.ts'
import type { Fetcher, FetchOrder } from './fetcher.ts'
import { GrantError } from './grant-error.ts'
import { wholeNumber } from './numbers.ts'
import type { Operation } from './operation.ts'
import { ABSENT } from './operation.ts'

/** Requests of one policy that may be in progress at a time. */
const mostRunning = 256
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const lenient = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * Host side of `Fetch`. Arguments: url, method, timeout, limit, body or ABSENT, name, value, … Result: status, body as
 * text, body in base64 if it is not UTF-8 or else ABSENT, name, value, …
 */
export function createFetch(fetcher: Fetcher): { send: Operation } {
  const underWay = new Map<string, number>()
  return {
    send: async ([url = '', method = '', timeout, limit, body, ...headers], call) => {
      const { policy, origins, signal } = call
      let held = 0
      const hold = (bytes: number): void => {
        call.hold(bytes)
        held += bytes
      }
      const order: FetchOrder = {
        url,
        user: policy,
        method,
        headers: pairs(headers),
        body: body === ABSENT ? undefined : body,
        timeout: wholeNumber('timeout', timeout, 1, 5_000),
        limit: wholeNumber('limit', limit, 0, 1_048_576),
        // Twice: in pieces, and as a whole.
        onBytes: (bytes) => hold(bytes * 2),
      }
      const running = underWay.get(policy) ?? 0
      if (running >= mostRunning) throw new GrantError(`more than ${mostRunning} requests of this policy are under way`)
      underWay.set(policy, running + 1)
      try {
        const response = await fetcher(order, origins, signal)
        const spent = measureCpu()
        const [text, bytes] = textOf(response.body)
        call.spend(spent())
        hold((text.length + bytes.length) * 2)
        return [String(response.status), text, bytes, ...response.headers.flat()]
      } finally {
        call.hold(-held)
        const left = underWay.get(policy)! - 1
        if (left === 0) underWay.delete(policy)
        else underWay.set(policy, left)
      }
    },
  }
}

/**
 * The body as text, and in base64 only when the text would lose bytes. Nearly all bodies are text, so they cross once.
 */
function textOf(body: Buffer): [text: string, bytes: string] {
  try {
    return [strict.decode(body), ABSENT]
  } catch {
    return [lenient.decode(body), body.toString('base64')]
  }
}

function pairs(list: readonly string[]): [string, string][] {
  const headers: [string, string][] = []
  for (let i = 0; i + 1 < list.length; i += 2) headers.push([list[i]!, list[i + 1]!])
  return headers
}
