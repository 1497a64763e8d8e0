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
    if (typeof thrown === 'object' && thrown !== null) {
      const error = thrown as { name?: unknown; message?: unknown; stack?: unknown }
      kind = String(error.name)
      message = String(error.message)
      stack = String(error.stack)
    } else {
      message = `${String(thrown)} (thrown, but not an Error)`
    }
    return encodeError(kind, message, stack)
  } catch {
    return unreadable
  }
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
