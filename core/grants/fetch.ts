import type { Fetcher } from './fetcher.ts'
import { GrantError } from './grant-error.ts'
import { wholeNumber } from './numbers.ts'
import type { Operation } from './operation.ts'
import { ABSENT } from './operation.ts'

/** Requests of one plugin that may be in progress at a time. */
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
    send: async ([url = '', method = '', timeout, limit, body, ...headers], { plugin, origins, signal }) => {
      const order = {
        url,
        method,
        headers: pairs(headers),
        body: body === ABSENT ? undefined : body,
        timeout: wholeNumber('timeout', timeout, 1, 5_000),
        limit: wholeNumber('limit', limit, 0, 1_048_576),
      }
      const user = `${plugin.publisher} ${plugin.name}`
      const running = underWay.get(user) ?? 0
      if (running >= mostRunning) throw new GrantError(`more than ${mostRunning} requests of this plugin are under way`)
      underWay.set(user, running + 1)
      try {
        const response = await fetcher(order, origins, signal)
        return [String(response.status), ...textOf(response.body), ...response.headers.flat()]
      } finally {
        const left = underWay.get(user)! - 1
        if (left === 0) underWay.delete(user)
        else underWay.set(user, left)
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
