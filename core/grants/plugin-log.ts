import type { Operation } from './operation.ts'

/** A log line of a plugin, cut to its limits and without control characters. The log redacts secrets later. */
export interface PluginLine {
  readonly level: 'info' | 'warn' | 'error'
  readonly plugin: string
  readonly policy: string
  readonly request?: string
  readonly message: string
  /** Fields that the plugin added; absent when there are none. */
  readonly fields?: Readonly<Record<string, string | number | boolean | null>>
}

/** Lines of one plugin. */
const perSecond = 100
/** Characters of a message, and of all its fields together. */
const longest = 1_024
const mostFields = 20
/** Characters that end a line, move the cursor or change the direction of the text after them. */
const unsafe = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** One second of one plugin. */
interface Window {
  lines: number
  dropped: number
}

/** Host side of `Log`. Arguments: message, fields as JSON or an empty text. */
export function createPluginLog(onLog?: (line: PluginLine) => void): Record<'info' | 'warn' | 'error', Operation> {
  const windows = new Map<string, Window>()

  /** Whether the plugin may write another line in this second. */
  function admit(plugin: string, policy: string): boolean {
    const open = windows.get(plugin)
    if (open !== undefined) {
      if (open.lines++ < perSecond) return true
      open.dropped++
      return false
    }
    const window: Window = { lines: 1, dropped: 0 }
    windows.set(plugin, window)
    setTimeout(() => {
      windows.delete(plugin)
      if (window.dropped === 0) return
      const message = `${window.dropped} lines of this plugin were dropped; the limit is ${perSecond} a second`
      onLog?.({ level: 'warn', plugin, policy, message })
    }, 1_000).unref()
    return true
  }

  const writer = (level: PluginLine['level']): Operation => {
    return ([message = '', json = ''], { plugin, policy, request }) => {
      if (onLog === undefined || !admit(plugin.name, policy)) return []
      const fields = readFields(json)
      onLog({
        level,
        plugin: plugin.name,
        policy,
        ...(request !== undefined && { request }),
        message: safe(message),
        ...(fields !== undefined && { fields }),
      })
      return []
    }
  }
  return { info: writer('info'), warn: writer('warn'), error: writer('error') }
}

/** Reads the fields. They are untrusted: plugin code can manipulate the guest that encoded them. */
function readFields(json: string): PluginLine['fields'] {
  if (json === '') return undefined
  let parsed: unknown
  try {
    parsed = JSON.parse(json)
  } catch {
    return { fields: safe(json) }
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined
  const fields: Record<string, string | number | boolean | null> = Object.create(null)
  let left = longest
  for (const [name, value] of Object.entries(parsed).slice(0, mostFields)) {
    if (left <= 0) break
    const field = safe(name.slice(0, 100))
    const text = typeof value === 'string' ? safe(value.slice(0, left)) : undefined
    if (text === undefined && typeof value !== 'number' && typeof value !== 'boolean' && value !== null) continue
    fields[field] = text ?? (value as number | boolean | null)
    left -= field.length + (text?.length ?? 8)
  }
  return fields
}

function safe(text: string): string {
  return text
    .slice(0, longest)
    .toWellFormed()
    .replace(unsafe, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
