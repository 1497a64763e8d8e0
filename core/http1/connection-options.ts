import type { Fields } from '../http/fields.ts'

/** Bits of the connection options that the codec acts on. */
export const CLOSE = 1
export const KEEP_ALIVE = 2
export const UPGRADE = 4

/** The options in the `Connection` lines of a message, as bits; options that name fields are left out. */
export function connectionOptions({ list }: Fields): number {
  let options = 0
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] !== 'connection') continue
    const value = list[i + 1]!
    if (value === 'keep-alive') options |= KEEP_ALIVE
    else if (value === 'close') options |= CLOSE
    else for (const option of value.split(',')) options |= bitOf(option.trim().toLowerCase())
  }
  return options
}

/** Whether the connection may carry another exchange (RFC 9112 §9.3). */
export function isPersistent(version: '1.0' | '1.1', options: number): boolean {
  if ((options & CLOSE) !== 0) return false
  return version === '1.1' || (options & KEEP_ALIVE) !== 0
}

/** How long the other side says that it keeps the connection while it is idle (`Keep-Alive: timeout=5`), ms. */
export function promisedIdle(fields: Fields): number | undefined {
  const promise = fields.get('keep-alive')
  const timeout = promise === undefined ? null : /(?:^|[ ,])timeout=(\d{1,6})/i.exec(promise)
  return timeout === null ? undefined : Number(timeout[1]) * 1000
}

function bitOf(option: string): number {
  if (option === 'close') return CLOSE
  if (option === 'keep-alive') return KEEP_ALIVE
  return option === 'upgrade' ? UPGRADE : 0
}
