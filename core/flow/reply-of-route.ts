import type { Reply } from '../../sdk/reply.ts'
import type { ReplyConfig } from '../config/types.ts'
import type { Target } from '../route/target.ts'

/** What a route with `reply` answers: a redirect, its placeholders filled in, or a fixed text. */
export function replyOfRoute(config: ReplyConfig, scheme: string, target: Target): Reply {
  const { status, redirect, body = '' } = config
  if (redirect === undefined) {
    const headers: [string, string][] = body === '' ? [] : [['content-type', 'text/plain; charset=utf-8']]
    return { reply: true, status, body, reason: '', headers }
  }
  const { authority, host, path, query, hasQuery } = target
  const parts = new Map(Object.entries({ scheme, authority, host, path, query: hasQuery ? `?${query}` : '' }))
  const location = redirect.replace(/\{(\w+)\}/g, (whole, name: string) => parts.get(name) ?? whole)
  return { reply: true, status, body: '', reason: '', headers: [['location', location]] }
}
