import { bounds } from '../bounds.ts'
import { escapeText, op, UNIT } from '../wire.ts'

const unreadable = `${op.error}${UNIT}Error${UNIT}the thrown value cannot be read${UNIT}`

/**
 * Encodes a thrown value as one operation. It is read here, in the realm that threw it: on the other side of the
 * boundary its getters would run without a time limit.
 */
export function encodeThrown(thrown: unknown): string {
  try {
    let kind = ''
    let message: string
    let stack = ''
    if (isError(thrown)) {
      kind = String(thrown.name)
      message = String(thrown.message)
      stack = String(thrown.stack)
    } else message = describeOther(thrown)
    return encodeError(kind, message, stack)
  } catch {
    return unreadable
  }
}

/** Errors of libraries need not be instances of `Error`, but have a stack. */
function isError(thrown: unknown): thrown is { readonly name: unknown; readonly message: unknown; stack: unknown } {
  return typeof thrown === 'object' && thrown !== null && 'stack' in thrown
}

/** Other values are mostly thrown by authors who know frameworks in which that makes a response. */
function describeOther(thrown: unknown): string {
  if (typeof thrown !== 'object' || thrown === null) return `it threw ${shown(thrown)}, which is not an Error`
  const { reply, status } = thrown as { reply?: unknown; status?: unknown }
  if (reply === true) return 'it threw a reply; to reply, return it: return reply(…)'
  const isStatus = Number.isInteger(status) && Number(status) >= 200 && Number(status) <= 599
  const example = isStatus ? `reply(${String(status)})` : 'reply(403)'
  return `it threw an object that is no Error: ${shown(thrown)}; to refuse, return ${example}`
}

function shown(value: unknown): string {
  const isJson = typeof value === 'string' || (typeof value === 'object' && value !== null)
  return String((isJson ? JSON.stringify(value) : undefined) ?? String(value)).slice(0, 200)
}

export function encodeError(kind: string, message: string, stack = ''): string {
  const { thrown } = bounds
  return (
    op.error +
    UNIT +
    escapeText(kind.slice(0, thrown.kind)) +
    UNIT +
    escapeText(message.slice(0, thrown.message)) +
    UNIT +
    escapeText(stack.slice(0, thrown.stack))
  )
}
