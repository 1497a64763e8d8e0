/** First value of a cookie in a `Cookie` header, as sent but for surrounding quotes (RFC 6265 §4.1.1). */
export function cookie(header: string, name: string): string | undefined {
  let from = 0
  while (from < header.length) {
    let to = header.indexOf(';', from)
    if (to === -1) to = header.length
    const equals = header.indexOf('=', from)
    if (equals !== -1 && equals < to && header.slice(from, equals).trim() === name) {
      const value = header.slice(equals + 1, to).trim()
      return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
    }
    from = to + 1
  }
  return undefined
}
