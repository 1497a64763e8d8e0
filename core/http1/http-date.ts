let second = 0
let text = ''

/** The time of day as `Date` carries it (RFC 9110 §5.6.7); made once a second, for making it costs 0.4 µs. */
export function httpDate(): string {
  const now = Math.floor(Date.now() / 1000)
  if (now !== second) {
    second = now
    text = new Date(now * 1000).toUTCString()
  }
  return text
}
