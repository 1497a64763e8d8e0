import { kinds, VALUE } from './characters.ts'

/** Fields that decide where a message ends, where it goes, or belong to one connection: no plugin writes them. */
const guarded = new Set([
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * How much one hook may write, bytes: more than that of one header, or of all together, no server at the other end takes.
 * A name and a value count, lines that are replaced again too.
 */
export const writeBounds = { value: 8_192, headers: 65_536 } as const

const token = /^[!#$%&'*+.^_`|~0-9a-z-]+$/
/** Names that were found sound. There are few, what policies declare, but a plugin with `header:*` makes up any number. */
const sound = new Set<string>()
const most = 1_000

/** Why a field cannot be written by a plugin; `undefined` when it can. `name` is in lower case. */
export function fieldProblem(name: string, text: string): string | undefined {
  if (!sound.has(name)) {
    if (!token.test(name)) return `${JSON.stringify(name.slice(0, 80))} is not a header name`
    if (guarded.has(name)) return `the header "${name}" belongs to the gateway`
    if (sound.size < most) sound.add(name)
  }
  // Characters are bytes here: the next line lets no other through.
  if (text.length > writeBounds.value) {
    return `the value of "${name}" has ${text.length} bytes, and a header may have ${writeBounds.value}`
  }
  for (let i = 0; i < text.length; i++) {
    if ((kinds[text.charCodeAt(i)]! & VALUE) === 0) {
      return `the value of "${name}" holds characters that a header cannot carry`
    }
  }
  return undefined
}
