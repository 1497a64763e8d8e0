/** First value of a parameter of a raw query, percent-decoded, `+` read as a space; `undefined` when it is not there. */
export function parameter(query: string, name: string): string | undefined {
  let from = 0
  while (from <= query.length) {
    let to = query.indexOf('&', from)
    if (to === -1) to = query.length
    const equals = query.indexOf('=', from)
    const split = equals === -1 || equals > to ? to : equals
    if (decodeParameter(query.slice(from, split)) === name)
      return split === to ? '' : decodeParameter(query.slice(split + 1, to))
    from = to + 1
  }
  return undefined
}

/** Name or value of a parameter. Invalid percent-encoding is returned unchanged: it is read, never refused for its form. */
export function decodeParameter(text: string): string {
  const spaced = text.indexOf('+') === -1 ? text : text.replaceAll('+', ' ')
  if (spaced.indexOf('%') === -1) return spaced
  try {
    return decodeURIComponent(spaced)
  } catch {
    return spaced
  }
}
