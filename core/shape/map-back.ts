import type { FlowFacts } from '../hooks/scopes.ts'
import type { Fields } from '../http/fields.ts'
import { parseAuthority } from '../route/authority.ts'
import type { Rewrite } from './rewrite.ts'

/** The two ends of a rewritten request, for the references in its response. */
export interface Ends {
  /** As the client knows the gateway. Without an authority nothing is mapped that names one. */
  readonly client: { readonly scheme: string; readonly authority: string }
  /** As the request was sent: its scheme, and the names that the backend may know itself by. */
  readonly backend: { readonly scheme: string; readonly authorities: readonly string[] }
  readonly rewrite: Rewrite
}

/** The client's path for one of the backend. */
type Back = (path: string) => string

/**
 * Maps what a response says of its own place back to what the client sees: Location, Content-Location, Refresh, and Domain and Path
 * of Set-Cookie. References to other sites, and relative ones, stay as they are.
 */
export function mapBack(flow: FlowFacts, { list }: Fields, ends: Ends): void {
  let known: ReturnType<Rewrite['backwards']> | undefined
  const back: Back = (path) => {
    known ??= ends.rewrite.backwards(flow)
    const mapped = known(path) ?? path
    return otherHost.test(mapped) ? path : mapped
  }
  for (let i = 0; i < list.length; i += 2) {
    const value = list[i + 1]!
    switch (list[i]) {
      case 'location':
      case 'content-location':
        list[i + 1] = reference(value, ends, back)
        break
      case 'refresh':
        list[i + 1] = value.replace(
          /^(\s*\d+(?:\.\d*)?\s*[;,]\s*url\s*=\s*)(["']?)([^"']*)/i,
          (_, before: string, quote: string, url: string) => before + quote + reference(url.trim(), ends, back),
        )
        break
      case 'set-cookie':
        list[i + 1] = cookie(value, ends, back)
        break
      default:
    }
  }
}

/** Browsers skip tabs, and take `\` for `/` (https://url.spec.whatwg.org/#concept-basic-url-parser). */
const otherHost = /^\t*\/\t*[/\\]/

const absolute = /^(?:(https?):)?\/\/([^/?#]*)(.*)$/is

function reference(value: string, { client, backend }: Ends, back: Back): string {
  const [, scheme, authority, rest = ''] = absolute.exec(value) ?? []
  if (authority === undefined) {
    // A client would take a path that begins with `//` for the name of another host.
    return value[0] === '/' ? back(value) : value
  }
  const named = (scheme ?? backend.scheme).toLowerCase()
  if (client.authority === '' || (named !== backend.scheme && named !== client.scheme)) return value
  if (!backend.authorities.some((own) => isSame(own, authority, named))) return value
  const path = rest[0] === '/' ? rest : `/${rest}`
  return `${scheme === undefined ? '' : `${client.scheme}:`}//${client.authority}${back(path)}`
}

function cookie(line: string, { client, backend }: Ends, back: Back): string {
  const [pair = '', ...attributes] = line.split(';')
  const mapped = attributes.flatMap((attribute) => {
    const equals = attribute.indexOf('=')
    const name = attribute
      .slice(0, equals === -1 ? undefined : equals)
      .trim()
      .toLowerCase()
    const value = equals === -1 ? '' : attribute.slice(equals + 1).trim()
    if (name === 'path' && value[0] === '/') return [` Path=${back(value)}`]
    if (name !== 'domain') return [attribute]
    const domain = value.replace(/^\./, '').toLowerCase()
    if (!backend.authorities.some((own) => hostOf(own) === domain)) return [attribute]
    const own = hostOf(client.authority)
    // A cookie without Domain belongs to the host that the client asked, which is what an address needs.
    return own.includes('.') && !/^[\d.]+$/.test(own) ? [` Domain=${own}`] : []
  })
  return [pair, ...mapped].join(';')
}

const ports: Readonly<Record<string, string>> = { http: '80', https: '443' }

function isSame(own: string, authority: string, scheme: string): boolean {
  const a = parseAuthority(own)
  const b = parseAuthority(authority)
  if ('problem' in a || 'problem' in b || a.host !== b.host) return false
  return String(a.port ?? ports[scheme]) === String(b.port ?? ports[scheme])
}

function hostOf(authority: string): string {
  const parsed = parseAuthority(authority)
  return 'problem' in parsed ? '' : parsed.host
}
