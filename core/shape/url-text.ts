/** Percent-encodes everything but the unreserved characters (RFC 3986 §2.3). @param value one character for each octet */
export function encodeText(value: string): string {
  return value.replace(/[^A-Za-z0-9._~-]/g, escaped)
}

/** Percent-encodes what no URL may have (RFC 3986 §2); what is encoded already stays so. */
export function encodeInUrl(value: string): string {
  return value.replace(/[^\x21-\x7e]|["<>\\^`{|}#]/g, escaped)
}

function escaped(octet: string): string {
  return `%${octet.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
}

/** What a value would make of a path beyond one segment of it; `undefined`: nothing. */
export function pathProblemOf(value: string): string | undefined {
  const [found] = /[/?#\\]|%2f|%5c/i.exec(value) ?? []
  if (found !== undefined) return `"${found}"`
  return value === '.' || value === '..' || /^(?:\.|%2e){1,2}$/i.test(value) ? 'a dot segment' : undefined
}
