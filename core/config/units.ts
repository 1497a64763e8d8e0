const milliseconds: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Timers hold 31 bits of milliseconds; a longer one would fire at once. */
const longest = 24 * 86_400_000

/** A duration such as `500ms`, `10s`, `1m`, `1h` or `2d` in milliseconds; a text says what is wrong with it. */
export function parseDuration(text: string): number | string {
  const match = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)$/.exec(text)
  if (match === null)
    return `${JSON.stringify(text)} is no duration; write a number and ms, s, m, h or d, such as "10s"`
  const time = Math.round(Number(match[1]) * milliseconds[match[2]!]!)
  if (time === 0) return 'must be more than zero: everything that waits has an end'
  if (time > longest) return `${text} is longer than the 24 days that a timer can hold`
  return time
}

/** A size such as `64MB` or `512KB` in MB; a text says what is wrong with it. */
export function parseSize(text: string): number | string {
  const match = /^(\d{1,9}(?:\.\d{1,6})?)(KB|MB|GB)$/.exec(text)
  if (match === null) return `${JSON.stringify(text)} is no size; write a number and KB, MB or GB, such as "64MB"`
  const size = Number(match[1]) * { KB: 1 / 1024, MB: 1, GB: 1024 }[match[2] as 'KB' | 'MB' | 'GB']
  return size === 0 ? 'must be more than zero' : size
}
