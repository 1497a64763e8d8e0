let second = 0
let text = ''

/** The value of `Date` (RFC 9110 §5.6.7); cached for a second, since formatting it takes 0.4 µs. */
export function httpDate(): string {
  const now = Math.floor(Date.now() / 1000)
  if (now !== second) {
    second = now
    text = new Date(now * 1000).toUTCString()
  }
  return text
}
