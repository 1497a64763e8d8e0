import { definePlugin, type Reply, reply } from 'postern/sdk'

/** Coarse, for editors: excludes host names and spaces. `reads` checks each entry exactly. */
const range = { type: 'string', pattern: '^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$' } as const

export default definePlugin({
  name: 'ip-restriction',
  description: 'Admits or refuses clients by their address, L4 connections and L7 requests alike.',
  options: {
    type: 'object',
    additionalProperties: false,
    properties: {
      allow: {
        type: 'array',
        minItems: 1,
        items: range,
        description: 'Addresses and CIDR ranges that are allowed; if given, all others are refused.',
      },
      deny: {
        type: 'array',
        minItems: 1,
        items: range,
        description: 'Addresses and CIDR ranges that are refused, even if `allow` contains them.',
      },
      status: {
        type: 'integer',
        minimum: 400,
        maximum: 599,
        default: 403,
        description: 'Status of a refused request; a refused L4 connection is closed.',
      },
    },
  },
  reads(options) {
    // Evaluated when the policy is loaded, so that invalid lists are reported then, not at the first client.
    listsOf(options)
    return ['client.ip']
  },
  onConnect({ connection, client, options }) {
    // On L7 the peer may be a proxy of many clients: each request is checked instead.
    if (connection.layer === 'L4') return judge(client.ip, options)
  },
  onRequest({ client, options }) {
    return judge(client.ip, options)
  },
})

interface Restriction {
  readonly allow?: readonly string[] | undefined
  readonly deny?: readonly string[] | undefined
  readonly status: number
}

interface Lists {
  readonly allow: readonly Range[] | undefined
  readonly deny: readonly Range[]
}

/** An IPv4-mapped IPv6 address counts as IPv4. */
interface Address {
  readonly bits: 32 | 128
  readonly value: bigint
}

/** All addresses of `bits` length whose value without its last `shift` bits is `prefix`. */
interface Range {
  readonly bits: 32 | 128
  readonly shift: bigint
  readonly prefix: bigint
}

/** A policy's options are one frozen object for as long as the policy lives. */
const parsed = new WeakMap<Restriction, Lists>()

function judge(ip: string, options: Restriction): Reply | undefined {
  const { allow, deny } = listsOf(options)
  const address = parseAddress(ip)
  // An address that cannot be parsed is refused.
  if (address !== undefined && !holds(deny, address) && (allow === undefined || holds(allow, address))) return undefined
  return reply(options.status, { title: 'address not allowed' })
}

function holds(ranges: readonly Range[], { bits, value }: Address): boolean {
  return ranges.some((range) => range.bits === bits && value >> range.shift === range.prefix)
}

function listsOf(options: Restriction): Lists {
  let lists = parsed.get(options)
  if (lists === undefined) {
    const { allow, deny } = options
    if (allow === undefined && deny === undefined) throw new Error('give "allow", "deny" or both')
    lists = { allow: allow?.map(parseRange), deny: deny?.map(parseRange) ?? [] }
    parsed.set(options, lists)
  }
  return lists
}

function parseRange(text: string): Range {
  const slash = text.indexOf('/')
  const host = slash === -1 ? text : text.slice(0, slash)
  const written = host.includes(':') ? 128 : 32
  const shift = slash === -1 ? 0 : written - Number(text.slice(slash + 1))
  const address = parseAddress(host)
  if (address === undefined || shift < 0 || shift > address.bits) {
    throw new Error(
      `"${text}" is not an address or CIDR range; use a form such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32`,
    )
  }
  return { bits: address.bits, shift: BigInt(shift), prefix: address.value >> BigInt(shift) }
}

function parseAddress(text: string): Address | undefined {
  return text.includes(':') ? parseV6(text) : parseV4(text)
}

function parseV4(text: string): Address | undefined {
  const parts = text.split('.')
  let value = 0n
  for (const part of parts) {
    // No leading zeros: some parsers read 010 as octal 8.
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return undefined
    value = value * 256n + BigInt(part)
  }
  return parts.length === 4 ? { bits: 32, value } : undefined
}

function parseV6(text: string): Address | undefined {
  // A link-local client address is fe80::1%eth0: ranges ignore the zone.
  const [address = ''] = text.split('%')
  const tail = address.slice(address.lastIndexOf(':') + 1)
  const dotted = tail.includes('.') ? parseV4(tail) : undefined
  const end = dotted === undefined ? [tail] : [dotted.value >> 16n, dotted.value & 0xffffn].map((n) => n.toString(16))
  const hex = address.slice(0, address.length - tail.length) + end.join(':')
  const halves = hex.split('::').map((half) => (half === '' ? [] : half.split(':')))
  const [left = [], right] = halves
  const missing = 8 - left.length - (right?.length ?? 0)
  if (halves.length > 2 || (right === undefined ? missing !== 0 : missing < 1)) return undefined
  const groups = [...left, ...Array<string>(missing).fill('0'), ...(right ?? [])]
  if (!groups.every((group) => /^[0-9A-Fa-f]{1,4}$/.test(group))) return undefined
  const value = BigInt(`0x${groups.map((group) => group.padStart(4, '0')).join('')}`)
  return value >> 32n === 0xffffn ? { bits: 32, value: value & 0xffffffffn } : { bits: 128, value }
}
