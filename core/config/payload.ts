const hex = /^hex:((?:[0-9a-f]{2})+)$/i

/** The bytes of a datagram as a configuration writes them: text, or `hex:` and two digits a byte. */
export function payloadOf(text: string): Buffer {
  const [, digits] = hex.exec(text) ?? []
  return digits === undefined ? Buffer.from(text) : Buffer.from(digits, 'hex')
}

/** Why that is not possible; `undefined`: it is. */
export function payloadProblem(text: string): string | undefined {
  if (!text.startsWith('hex:') || hex.test(text)) return undefined
  return `"${text}" is not a payload; write two hexadecimal digits for each byte, as in "hex:00ff"`
}
