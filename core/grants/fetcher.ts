import { fieldProblem } from '../http/field-problem.ts'
import { asValue } from '../http/field-text.ts'
import { GrantError } from './grant-error.ts'
import { allowedBy, type Origin } from './origin.ts'
import type { Outbound, OutboundResponse } from './outbound.ts'
import { afterTicks } from './tick-timer.ts'

/** One request of a plugin, including its redirects. */
export interface FetchOrder {
  readonly url: string
  /** Name of the policy: each has connections of its own. */
  readonly user: string
  readonly method: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string | undefined
  /** Time limit for the request and its redirects together, ms. */
  readonly timeout: number
  /** Size limit of the response's body, bytes. */
  readonly limit: number
  /** Bytes of a body have arrived. What it throws ends the request. */
  readonly onBytes?: (bytes: number) => void
}

/**
 * Sends a request and follows its redirects. Rejects with a `GrantError`. `signal` is aborted when the hook no longer
 * waits.
 */
export type Fetcher = (order: FetchOrder, origins: readonly Origin[], signal?: AbortSignal) => Promise<OutboundResponse>

const hops = 3
const redirects = [301, 302, 303, 307, 308]
/** Headers that are meant for one server, so a redirect to another origin does not repeat them. */
const confidential = ['authorization', 'cookie']
/** Headers that describe the body, removed together with it. */
const ofBody = ['content-type', 'content-encoding', 'content-language', 'content-location']

/** Sends requests only to origins that the operator has listed, and checks this again for every redirect. */
export function createFetcher(outbound: Outbound): Fetcher {
  return async (order, origins, signal) => {
    const { timeout, limit, user, onBytes } = order
    const { signal: deadline, cancel } = deadlineOf(timeout)
    const either = signal === undefined ? deadline : AbortSignal.any([signal, deadline])
    let { method, body } = order
    let headers = checkedHeaders(order)
    let url = parse(order.url)
    try {
      for (let hop = 0; ; hop++) {
        const allowed = allowedBy(origins, url)
        if (allowed === undefined) throw new GrantError(refusal(url, hop))
        const sent = [...headers, ['accept-encoding', 'identity'] as const]
        const response = await outbound({
          url,
          user,
          private: allowed.private,
          tls: allowed.tls,
          method,
          headers: headers.some(([name]) => name === 'accept-encoding') ? headers : sent,
          body,
          limit,
          ...(onBytes && { onBytes }),
          signal: either,
        })
        const location = response.headers.find(([name]) => name === 'location')?.[1]
        if (location === undefined || !redirects.includes(response.status)) return response
        if (hop === hops) throw new GrantError(`more than ${hops} redirects`)
        const next = parse(location, url)
        if (next.origin !== url.origin) headers = without(headers, confidential)
        if (becomesGet(response.status, method)) {
          method = 'GET'
          body = undefined
          headers = without(headers, ofBody)
        }
        url = next
      }
    } catch (error) {
      if (signal?.aborted) throw new GrantError('canceled: the hook no longer waits for the response')
      if (deadline.aborted) throw new GrantError(`no response within ${timeout} ms`)
      throw error
    } finally {
      cancel()
    }
  }
}

function deadlineOf(timeout: number): { readonly signal: AbortSignal; cancel(): void } {
  const controller = new AbortController()
  const cancel = afterTicks(timeout, () => controller.abort())
  return { signal: controller.signal, cancel }
}

/** RFC 9110 §15.4: after 301 and 302 a POST becomes a GET, after 303 any method but HEAD does; 307 and 308 keep it. */
function becomesGet(status: number, method: string): boolean {
  if (status === 303) return method !== 'HEAD' && method !== 'GET'
  return (status === 301 || status === 302) && method === 'POST'
}

function checkedHeaders({ method, headers, body }: FetchOrder): [string, string][] {
  if (!/^[A-Z]{1,20}$/.test(method) || method === 'CONNECT' || method === 'TRACE') {
    throw new GrantError(`${JSON.stringify(method.slice(0, 40))} is not a method that a plugin can send`)
  }
  if (body !== undefined && (method === 'GET' || method === 'HEAD'))
    throw new GrantError(`a ${method} request cannot have a body`)
  return headers.map(([name, value]) => {
    const lower = name.toLowerCase()
    const problem = lower === 'expect' ? 'the header "expect" belongs to the gateway' : fieldProblem(lower, value)
    if (problem !== undefined) throw new GrantError(problem)
    return [lower, asValue(value)]
  })
}

function parse(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new GrantError(
      base === undefined
        ? 'the URL must be absolute and begin with http: or https:'
        : 'the redirect does not lead to a valid http: or https: URL',
    )
  }
  if (url.username !== '' || url.password !== '') throw new GrantError('the URL must not have a user name or password')
  return url
}

function refusal({ origin }: URL, hop: number): string {
  const what = hop === 0 ? origin : `a redirect leads to ${origin}, which`
  return `${what} is not listed in "fetch" of the plugin's entry in the configuration`
}

function without(headers: [string, string][], names: readonly string[]): [string, string][] {
  return headers.filter(([name]) => !names.includes(name))
}
