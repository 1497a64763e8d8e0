import type { Log, LogFields } from '../../../sdk/grants.ts'
import { bounds } from '../bounds.ts'
import type { GuestCall } from './call.ts'

export class LogView implements Log {
  readonly #call: GuestCall
  #lines = 0

  constructor(call: GuestCall) {
    this.#call = call
  }

  info(message: string, fields?: LogFields): void {
    this.#write('log.info', message, fields)
  }

  warn(message: string, fields?: LogFields): void {
    this.#write('log.warn', message, fields)
  }

  error(message: string, fields?: LogFields): void {
    this.#write('log.error', message, fields)
  }

  #write(operation: string, message: string, fields: LogFields | undefined): void {
    if (this.#lines++ >= bounds.lines.call) return
    const values = [String(message).slice(0, bounds.lines.length)]
    if (fields !== undefined) values.push(fieldsOf(fields))
    this.#call.note(operation, values)
  }
}

/** As JSON, but never more of it than is kept: what goes beyond must not cost the memory of both sides. */
function fieldsOf(fields: LogFields): string {
  const kept: Record<string, unknown> = Object.create(null)
  let left: number = bounds.lines.length
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    if (value === undefined) continue
    const plain = typeof value === 'number' || typeof value === 'boolean' || value === null
    const field = plain ? value : String(value).slice(0, left)
    left -= name.length + String(field).length
    if (left < 0) break
    kept[name] = field
  }
  return JSON.stringify(kept)
}
