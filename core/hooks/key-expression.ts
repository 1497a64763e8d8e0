import { isIPv4, isIPv6 } from 'node:net'
import type { Layer } from '../../sdk/points.ts'
import { cookie } from '../http/cookie.ts'
import { asValue } from '../http/field-text.ts'
import { parameter } from '../http/query.ts'
import type { FlowFacts } from './scopes.ts'

/**
 * What a key expression of the configuration reads. Values have one character for each octet, as header fields keep them, and are
 * as they came, but for parameters of the query, which are percent-decoded.
 */
export interface Key {
  /** In the one spelling that is compared. */
  readonly text: string
  readonly layers: readonly Layer[]
  /** The capture of the route's path that it needs. */
  readonly capture?: string
  /** Whether the value is a part of the path or query as it came, percent-encoded. */
  readonly isEncoded: boolean
  /** `undefined`: this flow has no such value. */
  read(flow: FlowFacts): string | undefined
}

type Reader = (flow: FlowFacts) => string | undefined

const both: readonly Layer[] = ['L4', 'L7']
const onlyL7: readonly Layer[] = ['L7']

const plain: Readonly<Record<string, { layers: readonly Layer[]; isEncoded?: true; read: Reader }>> = {
  'client.ip': { layers: both, read: (flow) => flow.clientIp },
  'tls.serverName': { layers: both, read: ({ tls }) => textAsValue(tls?.serverName) },
  method: { layers: onlyL7, read: ({ request }) => request?.method },
  host: { layers: onlyL7, read: ({ request }) => request?.host },
  path: { layers: onlyL7, isEncoded: true, read: ({ request }) => request && pathOf(request.full) },
  uri: { layers: onlyL7, isEncoded: true, read: ({ request }) => request?.full },
  consumer: { layers: onlyL7, read: ({ request }) => textAsValue(request?.consumer) },
}

/** Those without a name of their own. */
export const plainKeys: readonly string[] = Object.keys(plain)

const named: Readonly<Record<string, (name: string) => Reader>> = {
  header: (name) => (flow) => flow.request?.fields.get(name),
  cookie: (name) => (flow) => {
    const header = flow.request?.fields.get('cookie')
    return header === undefined ? undefined : cookie(header, name)
  },
  query: (name) => (flow) => textAsValue(flow.request && parameter(flow.request.query, name)),
}

/** Every form, for messages. */
export const keyForms =
  'client.ip, client.net/24, host, path, uri, method, header:<name>, cookie:<name>, query:<name>, capture:<name>, consumer, tls.serverName'

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** Reads a key expression, or says why it cannot be one. */
export function parseKey(text: string): Key | { readonly problem: string } {
  const simple = Object.hasOwn(plain, text) ? plain[text] : undefined
  if (simple !== undefined) return { text, isEncoded: false, ...simple }
  if (text.startsWith('client.net/')) return parseNet(text)
  const colon = text.indexOf(':')
  const family = colon === -1 ? '' : text.slice(0, colon)
  const name = text.slice(colon + 1)
  if (family === 'capture') {
    if (!/^[A-Za-z]\w*$/.test(name)) return { problem: `"${name}" is not the name of a capture` }
    const read: Reader = ({ request }) => request?.capture?.(name)
    return { text, layers: onlyL7, capture: name, isEncoded: true, read }
  }
  const reader = Object.hasOwn(named, family) ? named[family] : undefined
  if (reader === undefined) return { problem: `"${text}" is not a key; there are ${keyForms}` }
  if (family === 'query') return { text, layers: onlyL7, isEncoded: false, read: reader(name) }
  if (!token.test(name)) return { problem: `"${name}" is not a valid name for ${family}:<name>` }
  const known = family === 'header' ? name.toLowerCase() : name
  return { text: `${family}:${known}`, layers: onlyL7, isEncoded: false, read: reader(known) }
}

/** `client.net/24`: of IPv6 the first 64 bits, which are one customer's; `client.net/24/56` says another number. */
function parseNet(text: string): Key | { readonly problem: string } {
  const [, four = '', six = '64'] = /^client\.net\/([1-9]\d?)(?:\/([1-9]\d{0,2}))?$/.exec(text) ?? []
  if (four === '' || Number(four) > 32 || Number(six) > 128)
    return {
      problem: `"${text}" is not client.net/<bits of IPv4, 1 to 32> or client.net/<bits>/<bits of IPv6, 1 to 128>`,
    }
  return { text, layers: both, isEncoded: false, read: ({ clientIp }) => netOf(clientIp, Number(four), Number(six)) }
}

/** The network of an address; other text unchanged. */
export function netOf(ip: string, four: number, six: number): string {
  if (isIPv4(ip)) {
    const bytes = ip.split('.').map(Number)
    return `${bytes.map((byte, index) => byte & mask(four - index * 8, 8)).join('.')}/${four}`
  }
  if (!isIPv6(ip)) return ip
  const groups = groupsOf(ip)
  return `${groups.map((group, index) => (group & mask(six - index * 16, 16)).toString(16)).join(':')}/${six}`
}

/** The highest `bits` of a number of `width` bits. */
function mask(bits: number, width: number): number {
  const kept = Math.min(width, Math.max(0, bits))
  return ((1 << width) - 1) & ~((1 << (width - kept)) - 1)
}

/** @param ip without a zone and without an IPv4 part, as `normalizeIp` leaves it */
function groupsOf(ip: string): number[] {
  const [head = '', tail] = ip.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? [] : new Array<string>(8 - before.length - after.length).fill('0')
  return [...before, ...zeros, ...after].map((group) => Number.parseInt(group, 16))
}

function pathOf(full: string): string {
  const mark = full.indexOf('?')
  return mark === -1 ? full : full.slice(0, mark)
}

function textAsValue(text: string | undefined): string | undefined {
  return text === undefined ? undefined : asValue(text)
}
