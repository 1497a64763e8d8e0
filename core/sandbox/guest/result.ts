import type { Health } from '../../../sdk/health.ts'
import { type HookName, points } from '../../../sdk/points.ts'
import type { Reply } from '../../../sdk/reply.ts'
import { escapeText, op, UNIT } from '../wire.ts'
import { writeBody } from './body.ts'
import type { GuestCall } from './call.ts'
import type { ContextView } from './context.ts'
import { text } from './text.ts'

/** Turns a hook's return value into an operation. Throws an error that says what the hook should have returned. */
export function writeResult(call: GuestCall, context: ContextView, result: unknown): void {
  const { hook } = call.entry
  if (result === undefined || result === null || points[hook].kind === 'observe') return
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
  if (hook === 'checkHealth') writeHealth(call, result)
  else call.append(encodeReply(hook, result))
}

/** Strict, because a misspelt member would leave an unhealthy backend in use. */
function writeHealth(call: GuestCall, result: unknown): void {
  const { healthy, weight, why, ...others } = result as Partial<Health>
  const [other] = Object.keys(others)
  if (typeof healthy !== 'boolean' || other !== undefined) {
    const lack = other === undefined ? 'without `healthy: true` or `false`' : `with "${other.slice(0, 40)}"`
    const found = typeof result === 'object' ? `an object ${lack}` : describe(result)
    throw new TypeError(`checkHealth must return nothing or { healthy, weight, why }, not ${found}`)
  }
  if (weight !== undefined && !(Number.isInteger(weight) && weight >= 1 && weight <= 1_000)) {
    throw new RangeError(`weight must be a whole number from 1 to 1,000, not ${String(weight)}`)
  }
  const share = weight === undefined ? undefined : String(weight)
  call.write(op.health, healthy ? '1' : '', share, why === undefined ? undefined : text('why', why).slice(0, 500))
}

function encodeReply(hook: HookName, result: unknown): string {
  const { reply, status, headers, body, reason } = result as Partial<Reply>
  if (reply !== true || typeof body !== 'string' || typeof reason !== 'string' || !Array.isArray(headers)) {
    throw new TypeError(`${hook} must return nothing or a reply, made by \`reply()\`, not ${describe(result)}`)
  }
  let operation = op.reply + UNIT + String(status) + UNIT + escapeText(body) + UNIT + escapeText(reason)
  for (const line of headers) {
    const [name, value] = line
    if (typeof name !== 'string' || typeof value !== 'string')
      throw new TypeError(`${hook}: the headers of a reply must be pairs of strings`)
    operation += UNIT + escapeText(name) + UNIT + escapeText(value)
  }
  return operation
}

function describe(value: unknown): string {
  if (typeof value === 'string') return `the string ${JSON.stringify(value.slice(0, 40))}`
  if (typeof value === 'object') return 'an object that is not a reply'
  return `${typeof value} ${String(value)}`.slice(0, 60)
}
