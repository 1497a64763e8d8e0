import type { Reply } from '../../../sdk/reply.ts'
import type { HookName } from '../../hooks/points.ts'
import { escapeText, op, UNIT } from '../wire.ts'
import { writeBody } from './body.ts'
import type { GuestCall } from './call.ts'
import type { ContextView } from './context.ts'

/** Turns what a hook returned into an operation, or throws an error that says what it should have returned. */
export function writeResult(call: GuestCall, context: ContextView, result: unknown): void {
  const { hook } = call.binding
  if (result === undefined || result === null || hook === 'onClose') return
  if (hook === 'selectBackend') {
    const index = context.backends.indexOf(result as never)
    if (index === -1) throw new TypeError('selectBackend must return one of `backends`, or nothing')
    call.write(op.backend, String(index))
    return
  }
  if (hook === 'onRequestBody' || hook === 'onResponseBody') {
    writeBody(call, `what ${hook} returns`, result)
    return
  }
  call.append(encodeReply(hook, result))
}

function encodeReply(hook: HookName, result: unknown): string {
  const { reply, status, headers, body, reason } = result as Partial<Reply>
  if (reply !== true || typeof body !== 'string' || typeof reason !== 'string' || !Array.isArray(headers)) {
    throw new TypeError(`${hook} must return nothing or a reply, made by \`reply()\`, not ${describe(result)}`)
  }
  let operation = op.reply + UNIT + String(status) + UNIT + escapeText(body) + UNIT + escapeText(reason)
  for (const line of headers) {
    operation += UNIT + escapeText(String(line[0])) + UNIT + escapeText(String(line[1]))
  }
  return operation
}

function describe(value: unknown): string {
  if (typeof value === 'string') return `the string ${JSON.stringify(value.slice(0, 40))}`
  if (typeof value === 'object') return 'an object that is no reply'
  return `${typeof value} ${String(value)}`.slice(0, 60)
}
