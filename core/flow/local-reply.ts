import type { Reply } from '../../sdk/reply.ts'
import { outcomes, PosternError } from '../errors.ts'
import type { Policy } from '../hooks/policy.ts'
import type { Exchange } from '../http/exchange.ts'
import { Fields } from '../http/fields.ts'
import { encodeMessage, grpcStatusOf } from '../http/grpc.ts'
import { BodyPath } from './body-path.ts'
import { type GrpcCall, speaksGrpc } from './grpc-call.ts'
import { FinalResponse, type RequestFacts } from './request-facts.ts'

/** The outcome of a policy's reply: `RL` for 429, `PD:<plugin>` for another status of 400 or more, else empty. */
export function outcomeOfReply(reply: Reply, policy: Policy): string {
  if (reply.status === 429) return 'RL'
  return reply.status >= 400 ? `PD:${policy.plugin}` : ''
}

/** The response to the client for an error (RFC 9457). The error's message goes only to the log, its `detail` also to the client. */
export function problemOf(error: PosternError, requestId: string): Reply {
  const { title, proxyStatus } = outcomes[error.code]
  const headers: [string, string][] = [['content-type', 'application/problem+json']]
  // RFC 9209 §2: which hop failed, and why.
  if (proxyStatus !== undefined) headers.push(['proxy-status', `postern; error=${proxyStatus}`])
  if (error.status === 503) headers.push(['retry-after', '5'])
  for (const [name, value] of error.headers) headers.push([name, value])
  const type = `urn:postern:outcome:${error.code}`
  const body = JSON.stringify({ type, title, status: error.status, detail: error.detail, request: requestId })
  return { reply: true, status: error.status, headers, body, reason: title }
}

/** Sets the final response of a request to a reply or an error of the gateway, and its outcome; `DPE` and `CI` end the connection. */
export function respondHere(
  by: Reply | PosternError,
  policy: Policy | undefined,
  facts: RequestFacts,
  exchange: Exchange,
): void {
  const failed = by instanceof PosternError
  // The bytes that follow may be the rest of this request: they must not be read as another one.
  if (failed && (by.code === 'DPE' || by.code === 'CI')) exchange.makeLast(true)
  facts.outcome = failed ? by.outcome : policy === undefined ? '' : outcomeOfReply(by, policy)
  const reply = failed ? problemOf(by, facts.id) : by
  const { grpc } = facts
  const inTerms = speaksGrpc(grpc, exchange) ? grpcAnswer(grpc!, reply, failed ? by.detail : undefined) : undefined
  facts.response = inTerms ?? madeResponse(reply)
}

/** A reply as the client gets it, its whole body included. */
function madeResponse({ status, headers, body: text }: Reply): FinalResponse {
  const bytes = Buffer.from(text)
  const body = new BodyPath(undefined)
  body.replace(bytes)
  const fields = new Fields(headers.flat())
  if (status !== 204 && status !== 304) fields.set('content-length', `${bytes.length}`)
  return new FinalResponse(status, '', fields, body)
}

const ofBody = ['content-type', 'content-length', 'content-encoding']

/**
 * An answer of the gateway to a gRPC call: a head alone ("Trailers-Only"), with the status as gRPC has it. A plugin that answers
 * with a `grpc-status` of its own knows what it does, and is not interfered with: `undefined`.
 *
 * @param detail what the client may know; default: what the reply says
 */
function grpcAnswer({ kind }: GrpcCall, by: Reply, detail?: string): FinalResponse | undefined {
  if (by.headers.some(([name]) => name.toLowerCase() === 'grpc-status')) return undefined
  const others = by.headers.filter(([name]) => !ofBody.includes(name.toLowerCase()))
  const fields = new Fields(others.flat())
  const isText = by.headers.some(([name, value]) => name === 'content-type' && value.startsWith('text/plain'))
  const message = detail ?? (by.reason !== '' || !isText ? by.reason : by.body)
  fields.set('content-type', kind === 'grpc' ? 'application/grpc' : `application/grpc-${kind}+proto`)
  fields.put('grpc-status', `${grpcStatusOf(by.status)}`)
  if (message !== '') fields.put('grpc-message', encodeMessage(message))
  // Of HTTP/1.1 the response would have no length. With HTTP/2 the end of the stream says it.
  if (kind !== 'grpc') fields.put('content-length', '0')
  return new FinalResponse(200, '', fields, '')
}

/** The answer to a challenge of a CA by ACME (RFC 8555 §8.3). */
export function replyToChallenge(answer: string): Reply {
  return { reply: true, status: 200, body: answer, reason: '', headers: [['content-type', 'application/octet-stream']] }
}

/**
 * The response of a route with `reply`: a redirect with its values filled in, or a fixed text. A redirect that needs a host is
 * refused to a request that names none.
 */
export function replyOfRoute(facts: RequestFacts, leaving: boolean): Reply | PosternError {
  const { config, shape } = facts.route!
  const { status: usual, drainStatus, body = '' } = config.reply!
  const status = leaving ? (drainStatus ?? usual) : usual
  const redirect = shape?.redirect
  if (redirect === undefined) {
    const headers: [string, string][] = body === '' ? [] : [['content-type', 'text/plain; charset=utf-8']]
    return { reply: true, status, body, reason: '', headers }
  }
  if (facts.target.host === '' && redirect.names('host')) {
    return new PosternError('DPE', 'the request names no host, which the redirect of its route needs')
  }
  const location = redirect.render(facts)
  if (typeof location !== 'string') return new PosternError('PN', location.problem)
  // A client would take a path that begins with `//` for the name of another host.
  const safe = config.reply!.redirect!.startsWith('//') ? location : location.replace(/^\/{2,}/, '/')
  return { reply: true, status, body: '', reason: '', headers: [['location', safe]] }
}
