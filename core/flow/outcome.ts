import type { Reply } from '../../sdk/reply.ts'
import { outcomes, PosternError } from '../errors.ts'
import type { Policy } from '../hooks/policy.ts'

/** The outcome code of an answer that a policy made: empty when it is no refusal. */
export function outcomeOfReply(reply: Reply, policy: Policy): string {
  if (reply.status === 429) return 'RL'
  return reply.status >= 400 ? `PD:${policy.plugin}` : ''
}

/** RFC 9457: what the client is told of an error. Its message stays in the log. */
export function problemOf(error: PosternError, requestId: string): Reply {
  const { title, proxyStatus } = outcomes[error.code]
  const headers: [string, string][] = [['content-type', 'application/problem+json']]
  // RFC 9209 §2: which hop failed, and why.
  if (proxyStatus !== undefined) headers.push(['proxy-status', `postern; error=${proxyStatus}`])
  if (error.status === 503) headers.push(['retry-after', '5'])
  const type = `urn:postern:outcome:${error.code}`
  const body = JSON.stringify({ type, title, status: error.status, request: requestId })
  return { reply: true, status: error.status, headers, body, reason: title }
}

export function asPosternError(error: unknown): PosternError {
  if (error instanceof PosternError) return error
  return new PosternError('GE', error instanceof Error ? error.message : String(error), { cause: error })
}
