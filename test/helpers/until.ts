/**
 * Waits for a condition, polling; fails with what was awaited when the deadline passes. It asserts no time: on a machine
 * with ten processes for each core what takes a second takes ten.
 */
export async function until<T>(
  what: string | (() => string),
  condition: () => T | undefined | false | null,
  deadline = 30_000,
): Promise<T> {
  const end = performance.now() + deadline
  for (;;) {
    const value = condition()
    if (value !== undefined && value !== false && value !== null) return value
    if (performance.now() > end)
      throw new Error(`waited ${deadline} ms in vain for ${typeof what === 'string' ? what : what()}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
