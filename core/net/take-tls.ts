import type { TLSSocket } from 'node:tls'
import { RawTls, type TlsHandle } from './raw-tls.ts'
import { type TcpHandle, tcp } from './tcp-binding.ts'

/**
 * Makes a raw stream of a TLS socket after its handshake, which is used no more. `undefined` when there is more to it than its
 * handle: it has been closed, has read the end, still writes, or is not on a TCP connection.
 */
export function takeTls(socket: TLSSocket): RawTls | undefined {
  const held = socket as unknown as Held
  const handle = isTakeable(socket, held) ? held._handle : null
  if (handle === null) return undefined
  const read = socket.read() as Buffer | null
  release(held, handle)
  const stream = new RawTls(handle)
  if (read !== null) stream.giveBack(read)
  return stream
}

/** What a TLS socket holds, and node offers no other way to see and to take. */
interface Held {
  _handle: HeldHandle | null
  ssl: HeldHandle | null
  readonly _readableState: { readonly ended: boolean }
  readonly _tlsOptions: { readonly isServer?: boolean }
}

interface HeldHandle extends TlsHandle {
  /** The socket that had the TCP connection before. */
  _parentWrap: { _handle: TcpHandle | null } | null | undefined
}

function isTakeable(socket: TLSSocket, { _handle: handle, _readableState: { ended } }: Held): boolean {
  if (tcp === undefined || socket.destroyed || ended || socket.writableLength > 0 || handle === null) return false
  return handle._parent instanceof tcp.TCP
}

/** Node calls it the owner of a handle. Without one it fails when it renegotiates. */
const nobody = {}

/** Takes everything from a TLS socket of node, so that nothing keeps it in memory. */
function release(held: Held, handle: HeldHandle): void {
  const { _parent: parent, _parentWrap: socket } = handle
  held._handle = null
  held.ssl = null
  if (socket) socket._handle = null
  handle._parentWrap = null
  disown(parent)
  // The socket of a client emits the sessions that come after the handshake.
  if (held._tlsOptions.isServer) disown(handle)
  // Its accessors hold the TLS socket.
  Reflect.deleteProperty(parent, 'reading')
}

let owner: symbol | undefined

function disown(handle: object): void {
  owner ??= Object.getOwnPropertySymbols(handle).find(({ description }) => description === 'owner_symbol')
  if (owner !== undefined) Reflect.set(handle, owner, nobody)
}
