/**
 * Header lines of a response, in the one form that the parser takes, wherever they have only one meaning: lines that end
 * with LF end with CRLF, folded lines are joined by a space (RFC 9112 §5.2), whitespace before a colon is gone (§5.1).
 * Lines with ends of both kinds stay as they are, for the parser to refuse.
 */
export function tidyLines(text: string): string {
  const lines = text.includes('\r') ? text : text.replaceAll('\n', '\r\n')
  // A bounded look-ahead and disjoint classes: the time is linear in the length of the text. Folded lines come last, since
  // only a value may be folded.
  return lines.replace(/^([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[\t ]+:/gm, '$1:').replace(/\r\n(?=[\t ])/g, ' ')
}
