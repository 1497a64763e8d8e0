import type { MatchConfig } from './match.ts'

/**
 * The texts that a host or path of a match includes: one text, every text with an affix (suffix or prefix), or any
 * text.
 */
export interface Pattern {
  readonly kind: 'exact' | 'affix' | 'any'
  /** The text or affix: `api.example.com`, `.example.com`, `/orders`, `/orders/`; empty for any. */
  readonly text: string
}

const any: Pattern = { kind: 'any', text: '' }

/** `*.example.com` includes hosts with one or more labels before `.example.com`, but not `example.com` itself. */
export function hostPattern({ host }: MatchConfig): Pattern {
  return namePattern(host)
}

/** As of a host. */
export function serverNamePattern({ serverName }: MatchConfig): Pattern {
  return namePattern(serverName)
}

function namePattern(text: string | undefined): Pattern {
  if (text === undefined) return any
  const name = text.toLowerCase()
  return name.startsWith('*.') ? { kind: 'affix', text: name.slice(1) } : { kind: 'exact', text: name }
}

/** `/orders/*` includes `/orders/` and everything below, but not `/orders`. */
export function pathPattern({ path }: MatchConfig): Pattern {
  if (path === undefined) return any
  return path.endsWith('/*')
    ? { kind: 'affix', text: pathKey(path.slice(0, -1)) }
    : { kind: 'exact', text: pathKey(path) }
}

/**
 * The percent-decoded path, which is looked up. For a backend `/%40me`, `/@me`, `/caf%c3%a9` and `/caf%C3%A9` are two
 * paths, not four, so a route that protects one spelling must protect the other. Only the look-up uses it: plugins and
 * the backend receive the path as the client sent it.
 */
export function pathKey(path: string): string {
  if (path.indexOf('%') === -1) return path
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}
