import { isIP } from 'node:net'
import type { ConnectionOptions } from 'node:tls'

/** An origin that the grants of a plugin may reach. */
export interface Origin {
  /** In the canonical spelling of the URL standard: `https://id.example.com`, `http://10.0.0.5:8080`. */
  readonly origin: string
  /** Whether its address may be private, loopback or otherwise not public. */
  readonly private: boolean
  /** Settings of TLS with it. Default: those of Node. */
  readonly tls?: OriginTls | undefined
}

/** What a connection to an origin is made with, for `tls.connect`. The same object has the same connections. */
export type OriginTls = Pick<
  ConnectionOptions,
  'secureContext' | 'servername' | 'rejectUnauthorized' | 'checkServerIdentity'
>

/**
 * Reads an origin of the configuration. A listed IP address may be one that is not public, because the operator has
 * named that very address. A host name can resolve to any address, so there the entry must allow it with `isPrivate`.
 *
 * @param text must have no `originProblem`.
 */
export function parseOrigin(text: string, isPrivate = false): Origin {
  const { origin, hostname } = new URL(text)
  return { origin, private: isPrivate || isIP(hostname.replace(/^\[|\]$/g, '')) !== 0 }
}

/** What is wrong with an origin; `undefined` when it is fine. */
export function originProblem(text: string): string | undefined {
  const url = URL.parse(text)
  if (url === null || !/^https?:\/\//i.test(text)) {
    // Not cut off: the log redacts secrets, but cannot recognize a part of one.
    const shown = text.length > 80 ? 'this text' : JSON.stringify(text)
    return `${shown} is not an origin; write it with its scheme: "https://id.example.com"`
  }
  if (url.username !== '' || url.password !== '') return 'an origin must not have a user name or password'
  const plain = /^https?:\/\/[^/?#\\]+$/i.test(text)
  return plain ? undefined : `an origin must end after the host or port; write ${JSON.stringify(url.origin)}`
}

/** The entry that allows a URL, if there is one. */
export function allowedBy(origins: readonly Origin[], url: URL): Origin | undefined {
  return origins.find(({ origin }) => origin === url.origin)
}
