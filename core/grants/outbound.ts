import { lookup as systemLookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { Agent, errors, request as send } from 'undici'
import { GrantError } from './grant-error.ts'
import { Lru, mostPolicies } from './lru.ts'
import type { OriginTls } from './origin.ts'

/** One request with one response. A redirect is a response here. */
export interface OutboundRequest {
  readonly url: URL
  /** Each user has connections of its own, so that no other one has to wait for them. */
  readonly user: string
  /** Whether the address may be private, loopback or otherwise not public. */
  readonly private: boolean
  /** Settings of TLS. Default: those of Node. */
  readonly tls?: OriginTls | undefined
  readonly method: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string | undefined
  /** Size limit of the response's body, bytes. */
  readonly limit: number
  /** Bytes of the body have arrived. What it throws ends the request. */
  readonly onBytes?: (bytes: number) => void
  readonly signal: AbortSignal
}

export interface OutboundResponse {
  readonly status: number
  /** Names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
}

/**
 * Sends one request. Rejects with a `GrantError` when the server cannot be reached or its response is too long, and
 * with the signal's reason when the signal is aborted. The connection is closed in these cases.
 */
export type Outbound = (request: OutboundRequest) => Promise<OutboundResponse>

/** Connections of one user to one origin. */
const connections = 32
/** Size limit of a response's head, bytes. */
const headSize = 16 * 1024

/**
 * Outgoing HTTP. An address is checked when the connection to it is opened, so that a name cannot pass the check with
 * one address and be connected to another.
 *
 * @param lookup Default: the resolver of the system.
 */
export function createOutbound(lookup: LookupFunction = systemLookup as LookupFunction): Outbound {
  const options = { connections, maxHeaderSize: headSize, allowH2: false, pipelining: 1 }
  const agents = (find: LookupFunction, tls: OriginTls = {}): Agents => {
    const byUser = new Lru<Agent>(mostPolicies, close)
    const create = (): Agent => new Agent({ ...options, connect: { ...tls, lookup: find, timeout: 5_000 } })
    return (user) => byUser.get(user, create)
  }
  const anywhere = agents(lookup)
  const publicNetwork = agents(publicOnly(lookup))
  const byTls = new WeakMap<OriginTls, Agents>()
  const agentsFor = (isPrivate: boolean, tls: OriginTls | undefined): Agents => {
    if (tls === undefined) return isPrivate ? anywhere : publicNetwork
    const known = byTls.get(tls) ?? agents(lookup, tls)
    byTls.set(tls, known)
    return known
  }
  return async ({ url, user, private: isPrivate, tls, method, headers, body, limit, onBytes, signal }) => {
    try {
      const response = await send(url, {
        dispatcher: agentsFor(isPrivate, tls)(user),
        method: method as 'GET',
        headers: headers.flat(),
        body: body ?? null,
        signal,
        // The caller sets one deadline for the whole request.
        headersTimeout: 0,
        bodyTimeout: 0,
      })
      const bytes = await readBody(response.body, limit, onBytes)
      return { status: response.statusCode, headers: flatten(response.headers), body: bytes }
    } catch (error) {
      if (signal.aborted) throw signal.reason
      throw error instanceof GrantError ? error : new GrantError(`${url.origin} ${problemOf(error)}`)
    }
  }
}

type Agents = (user: string) => Agent

/** Requests under way end first. */
function close(agent: Agent): void {
  void agent.close()
}

function publicOnly(lookup: LookupFunction): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found, family) => {
      if (error !== null) return callback(error, '', 0)
      const addresses = typeof found === 'string' ? [{ address: found, family: family ?? 4 }] : found
      if (addresses.length === 0 || !addresses.every(({ address }) => isPublicAddress(address))) {
        // The plugin must not learn the address.
        return callback(new GrantError(`${hostname} has an address that is not public`), '', 0)
      }
      if (options.all === true) return callback(null, addresses)
      return callback(null, addresses[0]!.address, addresses[0]!.family)
    })
  }
}

async function readBody(
  body: AsyncIterable<Buffer>,
  limit: number,
  onBytes: OutboundRequest['onBytes'],
): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  // Leaving the loop early destroys the stream and closes its connection.
  for await (const chunk of body) {
    size += chunk.length
    if (size > limit) throw new GrantError(`the response is longer than ${limit} bytes`)
    onBytes?.(chunk.length)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}

function flatten(headers: Readonly<Record<string, string | string[] | undefined>>): [string, string][] {
  const list: [string, string][] = []
  for (const name of Object.keys(headers)) {
    for (const value of [headers[name] ?? []].flat()) list.push([name, value])
  }
  return list
}

function problemOf(error: unknown): string {
  if (error instanceof errors.InvalidArgumentError) return `cannot be sent this request: ${error.message}`
  const { code, message } = error as NodeJS.ErrnoException
  return `cannot be reached: ${code ?? message}`
}

/** Public addresses at which a cloud serves the metadata of its machines. */
const metadata = ['168.63.129.16']

/**
 * Whether an address belongs to the public Internet: not private, loopback, link-local (where clouds serve their
 * metadata), shared, multicast, reserved, mapped or translated.
 */
export function isPublicAddress(text: string): boolean {
  if (isIP(text) === 0 || metadata.includes(text)) return false
  const address = ipaddr.parse(text)
  if (address.range() !== 'unicast') return false
  // In IPv6 only 2000::/3 is assigned; the library calls unassigned addresses unicast too.
  return address.kind() === 'ipv4' || address.toByteArray()[0]! >> 5 === 1
}
