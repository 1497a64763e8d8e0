// The field names that the gateway treats specially, as one table with a bit for each treatment.

/** Meant for one connection only (RFC 9110 §7.6.1): removed from every message that is passed on. */
export const HOP_BY_HOP = 1
/** Frames one message or controls its connection: only the codec writes it. */
export const CODEC = 2
/** Describes the hops of a request (X-Forwarded family, Forwarded): replaced by what the gateway knows. */
export const FORWARDING = 4
/** Backends trust it because the gateway sets it, or frame messages by it: its spelling with underscores is dropped. */
export const NO_ALIAS = 8
/** Decides where a message ends or where it goes, or belongs to one connection: no plugin writes it. */
export const NO_PLUGIN = 16
/** Would tell a recipient that merges trailers into the head another framing, route, credential or content (§6.5.1). */
export const NO_TRAILER = 32
/** Frameworks believe what it says of earlier hops: accepted from trusted peers only, and then passed on. */
export const HEARSAY = 64

const table: ReadonlyMap<string, number> = new Map(
  Object.entries({
    connection: HOP_BY_HOP | CODEC | NO_PLUGIN,
    'content-length': CODEC | NO_ALIAS | NO_PLUGIN | NO_TRAILER,
    'keep-alive': HOP_BY_HOP | CODEC | NO_ALIAS | NO_PLUGIN,
    'proxy-connection': HOP_BY_HOP | CODEC | NO_ALIAS | NO_PLUGIN,
    'transfer-encoding': HOP_BY_HOP | CODEC | NO_ALIAS | NO_PLUGIN,
    upgrade: HOP_BY_HOP | CODEC | NO_PLUGIN,
    te: HOP_BY_HOP | NO_PLUGIN | NO_TRAILER,
    trailer: NO_PLUGIN | NO_TRAILER,
    host: NO_PLUGIN | NO_TRAILER,
    'proxy-authenticate': HOP_BY_HOP | NO_PLUGIN | NO_TRAILER,
    'proxy-authorization': HOP_BY_HOP | NO_ALIAS | NO_PLUGIN | NO_TRAILER,
    'x-forwarded-for': FORWARDING | NO_ALIAS | NO_TRAILER,
    'x-forwarded-proto': FORWARDING | NO_ALIAS | NO_TRAILER,
    'x-forwarded-host': FORWARDING | NO_ALIAS | NO_TRAILER,
    'x-forwarded-port': FORWARDING | NO_ALIAS | NO_TRAILER,
    'x-real-ip': FORWARDING | NO_ALIAS | NO_TRAILER,
    forwarded: FORWARDING | NO_TRAILER,
    'client-cert': HEARSAY | NO_ALIAS | NO_TRAILER,
    'client-cert-chain': HEARSAY | NO_ALIAS | NO_TRAILER,
    'front-end-https': HEARSAY | NO_ALIAS | NO_TRAILER,
    'x-forwarded-client-cert': HEARSAY | NO_ALIAS | NO_TRAILER,
    'x-forwarded-prefix': HEARSAY | NO_ALIAS | NO_TRAILER,
    'x-forwarded-protocol': HEARSAY | NO_ALIAS | NO_TRAILER,
    'x-forwarded-scheme': HEARSAY | NO_ALIAS | NO_TRAILER,
    'x-forwarded-ssl': HEARSAY | NO_ALIAS | NO_TRAILER,
    'x-url-scheme': HEARSAY | NO_ALIAS | NO_TRAILER,
    'x-request-id': NO_ALIAS | NO_TRAILER,
    'max-forwards': NO_ALIAS | NO_TRAILER,
    age: NO_TRAILER,
    authorization: NO_TRAILER,
    'cache-control': NO_TRAILER,
    'content-encoding': NO_TRAILER,
    'content-range': NO_TRAILER,
    'content-type': NO_TRAILER,
    cookie: NO_TRAILER,
    date: NO_TRAILER,
    expect: NO_TRAILER,
    expires: NO_TRAILER,
    location: NO_TRAILER,
    pragma: NO_TRAILER,
    range: NO_TRAILER,
    'retry-after': NO_TRAILER,
    'set-cookie': NO_TRAILER,
    vary: NO_TRAILER,
    via: NO_TRAILER,
    'www-authenticate': NO_TRAILER,
  }),
)

/** The treatments of the names with each first letter and length: most names of a message are ruled out without a look-up. */
const shapes = new Uint8Array(32 * 64)
for (const [name, treatments] of table) shapes[shapeOf(name)]! |= treatments

/** Whether a field has that treatment. @param name in lower case. */
export function isTreated(name: string, treatment: number): boolean {
  return (shapes[shapeOf(name)]! & treatment) !== 0 && ((table.get(name) ?? 0) & treatment) !== 0
}

function shapeOf(name: string): number {
  return (name.charCodeAt(0) & 31) * 64 + (name.length & 63)
}

/** `isTreated` for a field whose name may be spelt with underscores: some backends treat them like dashes. */
export function isAliasTreated(name: string, treatment: number): boolean {
  return isTreated(name.indexOf('_') === -1 ? name : name.replaceAll('_', '-'), treatment)
}
