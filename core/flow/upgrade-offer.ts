/** A tunnel of these carries requests, in the clear or not, that no route and no policy would see. */
const unseen = new Set(['h2c', 'h2', 'http', 'tls'])

/**
 * What the backend is asked to switch to when the client asks for `upgrade` (RFC 9110 §7.8); `undefined`: nothing, the
 * request is an ordinary one. A list of protocols is not passed on, so that both sides can only mean the same one.
 */
export function upgradeOffer(upgrade: string | undefined): string | undefined {
  if (upgrade === undefined) return undefined
  const [, name] = /^([\w!#$%&'*+.^`|~-]+)(?:\/[\w!#$%&'*+.^`|~-]+)?$/.exec(upgrade) ?? []
  return name === undefined || unseen.has(name.toLowerCase()) ? undefined : upgrade
}
