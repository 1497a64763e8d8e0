import type { MatchConfig } from './match.ts'

/** What a host or path of a match stands for: one text, every text with that affix (suffix or prefix), or any. */
export interface Pattern {
  readonly kind: 'exact' | 'affix' | 'any'
  /** The text or affix: `api.example.com`, `.example.com`, `/orders`, `/orders/`; empty for any. */
  readonly text: string
}

const any: Pattern = { kind: 'any', text: '' }

/** `*.example.com` stands for one or more labels before `.example.com`, never for `example.com` itself. */
export function hostPattern({ host }: MatchConfig): Pattern {
  if (host === undefined) return any
  const name = host.toLowerCase()
  return name.startsWith('*.') ? { kind: 'affix', text: name.slice(1) } : { kind: 'exact', text: name }
}

/** `/orders/*` stands for `/orders/` and all below, not for `/orders`. */
export function pathPattern({ path }: MatchConfig): Pattern {
  if (path === undefined) return any
  return path.endsWith('/*')
    ? { kind: 'affix', text: pathKey(path.slice(0, -1)) }
    : { kind: 'exact', text: pathKey(path) }
}

/**
 * The text by which a path is looked up: percent-decoded. A backend takes `/%40me`, `/@me`, `/caf%c3%a9` and `/caf%C3%A9`
 * for two paths, not four; a route that guards one spelling must guard the other. Only the look-up uses it: what plugins
 * see and what is sent stays as the client wrote it.
 */
export function pathKey(path: string): string {
  if (path.indexOf('%') === -1) return path
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}
