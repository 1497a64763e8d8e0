import { createSecureContext } from 'node:tls'
import type { Outbound, OutboundResponse } from '../grants/outbound.ts'
import { AcmeProblem } from './acme-problem.ts'
import { parseRetryAfter } from './schedule.ts'

/** A request of acme-client, as axios hands it to what sends it. */
export interface ClientRequest {
  readonly url?: string | undefined
  readonly method?: string | undefined
  readonly headers: object
  readonly data?: unknown
}

/** The response, as axios takes it. */
export interface ClientResponse {
  readonly status: number
  readonly statusText: string
  readonly headers: Readonly<Record<string, string>>
  readonly data: string
  readonly config: ClientRequest
  readonly request: object
}

/** Largest response of a CA, bytes: a chain of certificates. */
const limit = 1024 * 1024
/** Without a Retry-After a CA that refuses for its limits is left alone for so long, ms. */
const defaultRest = 60 * 60_000

/**
 * Sends the requests of acme-client by the gateway's own client of HTTP: no proxies or credentials out of the environment,
 * no redirects, limits of time and size. When a CA is out of service or refuses for its rate limits, rejects with the time
 * that it asks for, instead of trying again.
 *
 * @param ca PEM of the authorities that the CA's own address is trusted by. Default: those of Node.
 * @param patience longest time of one request, ms.
 */
export function createTransport(
  outbound: Outbound,
  ca: string | undefined,
  patience: number = 30_000,
): (request: ClientRequest) => Promise<ClientResponse> {
  const tls = ca === undefined ? undefined : { secureContext: createSecureContext({ ca }) }
  return async (request) => {
    const url = new URL(request.url!)
    const signal = AbortSignal.timeout(patience)
    const response = await outbound({
      url,
      user: 'acme',
      private: true,
      tls,
      method: request.method!.toUpperCase(),
      headers: Object.entries(request.headers).flatMap(([name, value]) =>
        value == null ? [] : [[name.toLowerCase(), String(value)] as const],
      ),
      body: request.data === undefined || request.data === null ? undefined : String(request.data),
      limit,
      signal,
    }).catch((error: unknown) => {
      throw signal.aborted ? new AcmeProblem(`${url.origin} has not answered within ${patience / 1000} s`) : error
    })
    refuseToHurry(url, response)
    const headers = Object.fromEntries(response.headers)
    return {
      status: response.status,
      statusText: '',
      headers,
      data: response.body.toString(),
      config: request,
      request: {},
    }
  }
}

function refuseToHurry(url: URL, { status, headers, body }: OutboundResponse): void {
  if (status !== 429 && status !== 503) return
  const asked = headers.find(([name]) => name === 'retry-after')?.[1]
  const rest = asked === undefined ? undefined : parseRetryAfter(asked, Date.now())
  const why = status === 429 ? 'the CA refuses it for its rate limits' : 'the CA is out of service'
  const detail = detailOf(body.toString()) ?? `${url.origin} answered ${status}`
  throw new AcmeProblem(`${why}: ${detail}`, rest ?? (status === 429 ? defaultRest : undefined))
}

/** What a problem document says (RFC 7807). */
function detailOf(text: string): string | undefined {
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown }
    return typeof detail === 'string' ? detail.slice(0, 500) : undefined
  } catch {
    return undefined
  }
}
