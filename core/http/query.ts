/** First value of a parameter of a raw query, percent-decoded, `+` read as a space; `undefined` when it is not there. */
export function parameter(query: string, name: string): string | undefined {
  let from = 0
  while (from <= query.length) {
    let to = query.indexOf('&', from)
    if (to === -1) to = query.length
    const equals = query.indexOf('=', from)
    const split = equals === -1 || equals > to ? to : equals
    if (decode(query.slice(from, split)) === name) return split === to ? '' : decode(query.slice(split + 1, to))
    from = to + 1
  }
  return undefined
}

/** Invalid percent-encoding is returned unchanged: a parameter is read, never refused for its form. */
function decode(text: string): string {
  const spaced = text.indexOf('+') === -1 ? text : text.replaceAll('+', ' ')
  if (spaced.indexOf('%') === -1) return spaced
  try {
    return decodeURIComponent(spaced)
  } catch {
    return spaced
  }
}
