/** Waits for a condition, polling; fails with what was awaited when the deadline passes. */
export async function until<T>(
  what: string | (() => string),
  condition: () => T | undefined | false | null,
  deadline = 10_000,
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
