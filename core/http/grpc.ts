import type { Fields } from './fields.ts'

// gRPC as HTTP carries it: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, and PROTOCOL-WEB.md beside it.

/** `web`: gRPC-Web, whose trailers are part of the body. `web-text`: the same in base64. */
export type GrpcKind = 'grpc' | 'web' | 'web-text'

/** Which gRPC a message with this `content-type` is; `undefined`: none. */
export function grpcKind(contentType: string | undefined): GrpcKind | undefined {
  if (contentType === undefined || !/^application\/grpc/i.test(contentType)) return undefined
  const [, variant] = /^application\/grpc(-web|-web-text)?(?:[+; \t]|$)/i.exec(contentType) ?? []
  if (variant !== undefined) return variant.toLowerCase() === '-web' ? 'web' : 'web-text'
  return /^application\/grpc(?:[+; \t]|$)/i.test(contentType) ? 'grpc' : undefined
}

/** Milliseconds of each unit of `grpc-timeout`. */
const units: readonly (readonly [unit: string, ms: number])[] = [
  ['n', 1e-6],
  ['u', 1e-3],
  ['m', 1],
  ['S', 1_000],
  ['M', 60_000],
  ['H', 3_600_000],
]

/** The value of `grpc-timeout` in ms: at most 8 digits and a unit; `undefined` when it is malformed. */
export function parseTimeout(text: string): number | undefined {
  if (!/^\d{1,8}[HMSmun]$/.test(text)) return undefined
  const [, ms] = units.find(([unit]) => text.endsWith(unit))!
  return Number(text.slice(0, -1)) * ms
}

/** `ms` as a `grpc-timeout`, in the smallest unit from microseconds up that needs no more than 8 digits, rounded down. */
export function timeoutText(ms: number): string {
  for (const [unit, size] of units.slice(1)) {
    const count = Math.max(Math.floor(ms / size), 1)
    if (count < 100_000_000) return `${count}${unit}`
  }
  return '99999999H'
}

/** The status codes of gRPC that say what the statuses of HTTP say which the gateway answers with. */
const statuses: Readonly<Record<number, number>> = {
  400: 13,
  401: 16,
  403: 7,
  404: 12,
  413: 8,
  429: 8,
  500: 13,
  502: 14,
  503: 14,
  504: 4,
}

/** The `grpc-status` of an answer of the gateway with that status of HTTP; UNKNOWN (2) for those without a counterpart. */
export function grpcStatusOf(status: number): number {
  return statuses[status] ?? 2
}

/** The status that a head or trailers say; `undefined`: none. */
export function readStatus(fields: Fields | undefined): number | undefined {
  const text = fields?.get('grpc-status')
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined
}

/** Longest `grpc-message`, characters before they are encoded: clients limit the size of a head. */
const longestMessage = 1_024

/** A text as a `grpc-message`: UTF-8, with all but printable ASCII and `%` itself percent-encoded. */
export function encodeMessage(text: string): string {
  const bytes = Buffer.from(text.slice(0, longestMessage)).toString('latin1')
  return bytes.replace(
    /[^\x20-\x24\x26-\x7e]/g,
    (octet) => `%${octet.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
}
