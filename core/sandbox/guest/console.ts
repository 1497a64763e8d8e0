import { bounds } from '../bounds.ts'

/** Takes a line; false: no more lines are wanted. */
export type Say = (text: string) => unknown

const methods = ['debug', 'error', 'info', 'log', 'trace', 'warn'] as const

/** Sends what the plugin writes to `console` to the host; the other methods of `console` do nothing. */
export function forwardConsole(scope: Record<string, unknown>, say: Say): void {
  let wanted = true
  const target = scope.console as Record<string, unknown>
  for (const method of methods) {
    target[method] = (...values: unknown[]): void => {
      if (wanted) wanted = say(values.map(textOf).join(' ').slice(0, bounds.lines.length)) === true
    }
  }
}

function textOf(value: unknown): string {
  try {
    if (typeof value !== 'object' || value === null) return String(value)
    return value instanceof Error ? String(value.stack ?? value) : JSON.stringify(value)
  } catch {
    return 'a value that cannot be shown'
  }
}
