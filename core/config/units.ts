const milliseconds: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Timers hold 31 bits of milliseconds, some 24.8 days; a longer one would fire immediately. */
const longest = 24 * 86_400_000

/** A duration such as `500ms`, `10s`, `1m`, `1h` or `2d` in milliseconds; a returned text says what is wrong with it. */
export function parseDuration(text: string): number | string {
  const match = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)$/.exec(text)
  if (match === null) return `${JSON.stringify(text)} is not a duration; use a number followed by ms, s, m, h or d`
  const time = Math.round(Number(match[1]) * milliseconds[match[2]!]!)
  if (time === 0) return 'must be more than 0; a timeout cannot be disabled'
  if (time > longest) return `${text} is too long; the maximum is 24d`
  return time
}

/** A size such as `64MB` or `512KB` in MB; a returned text says what is wrong with it. */
export function parseSize(text: string): number | string {
  const match = /^(\d{1,9}(?:\.\d{1,6})?)(KB|MB|GB)$/.exec(text)
  if (match === null) return `${JSON.stringify(text)} is not a size; use a number followed by KB, MB or GB`
  const size = Number(match[1]) * { KB: 1 / 1024, MB: 1, GB: 1024 }[match[2] as 'KB' | 'MB' | 'GB']
  return size === 0 ? 'must be more than 0' : size
}
