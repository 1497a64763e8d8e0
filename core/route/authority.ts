import { isIPv6 } from 'node:net'
import type { TargetProblem } from './target.ts'

/** Host and port of a request in canonical spelling. */
export interface Authority {
  /** Host, and the port if one was sent, without leading zeros: the `Host` that is sent upstream. */
  readonly authority: string
  /** Lower case, no port, no trailing dot; IPv6 in brackets and compressed. */
  readonly host: string
  readonly port: number | undefined
}

/** Longest name in DNS, characters. */
const longest = 255

/** The last one that was read: consecutive requests mostly name the same host, and comparing it takes a third of the time. */
let last: { readonly text: string; readonly authority: Authority } | undefined

/**
 * Reads `host`, `host:port`, `[v6]` or `[v6]:port`; the port may be empty or have leading zeros (RFC 3986 §3.2.3). A name
 * consists of letters, digits, `-`, `_` and `.`; anything else (userinfo, a path, a list, percent-encoding, an empty label)
 * is a problem.
 */
export function parseAuthority(text: string): Authority | TargetProblem {
  if (last !== undefined && last.text === text) return last.authority
  const authority = readAuthority(text)
  if (!('problem' in authority)) last = { text, authority }
  return authority
}

function readAuthority(text: string): Authority | TargetProblem {
  if (text === '') return refuse('the host is empty')
  const hostEnd = text.charCodeAt(0) === 0x5b ? text.indexOf(']') + 1 : endOfName(text)
  const host =
    hostEnd > longest ? undefined : text.charCodeAt(0) === 0x5b ? readV6(text, hostEnd) : readName(text, hostEnd)
  if (host === undefined) return refuse('the host is not a name or an address')
  if (hostEnd === text.length) return { authority: host, host, port: undefined }
  const port = text.charCodeAt(hostEnd) === 0x3a ? readPort(text, hostEnd + 1) : undefined
  if (port === undefined) return refuse('the host is followed by something that is not a port')
  return port === -1 ? { authority: host, host, port: undefined } : { authority: `${host}:${port}`, host, port }
}

function refuse(problem: string): TargetProblem {
  return { problem, code: 'DPE' }
}

function endOfName(text: string): number {
  const colon = text.indexOf(':')
  return colon === -1 ? text.length : colon
}

function readName(text: string, to: number): string | undefined {
  let label = 0
  for (let i = 0; i < to; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x2e) {
      if (i === label) return undefined
      label = i + 1
    } else if (!isNameCharacter(code)) return undefined
  }
  // One dot at the end means the DNS root: the host is the same without it.
  const end = label === to ? to - 1 : to
  return end <= 0 ? undefined : text.slice(0, end).toLowerCase()
}

function isNameCharacter(code: number): boolean {
  const lower = code | 0x20
  return (lower >= 0x61 && lower <= 0x7a) || (code >= 0x30 && code <= 0x39) || code === 0x2d || code === 0x5f
}

function readV6(text: string, to: number): string | undefined {
  const address = text.slice(1, to - 1)
  // A zone has a meaning only on the client's own machine.
  return isIPv6(address) && !address.includes('%') ? new URL(`http://[${address}]`).hostname : undefined
}

/** -1 for an empty port; `undefined` for what is not a port. */
function readPort(text: string, from: number): number | undefined {
  let port = from === text.length ? -1 : 0
  for (let i = from; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return undefined
    port = port * 10 + digit
    if (port > 65_535) return undefined
  }
  return port
}
