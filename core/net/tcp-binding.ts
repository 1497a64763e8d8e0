/**
 * A connection of node, below its sockets. Methods that can fail return 0, or a negative error number of the system.
 */
export interface StreamHandle {
  /** Set by `RawStream`, and found on `this` in the callbacks. */
  owner?: HandleOwner
  onread: (this: StreamHandle) => Uint8Array | undefined
  /** Bytes of writes that are not complete; `undefined` once it is closed. */
  readonly writeQueueSize: number | undefined
  readonly bytesRead: number
  /** Reads into this memory, or into that which `onread` returned last. May be called once. */
  useUserBuffer(memory: Uint8Array): void
  readStart(): number
  readStop(): number
  writeLatin1String(request: WriteRequest, text: string): number
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number
  /** @param chunks chunk, encoding, chunk, encoding; `buffer` for bytes */
  writev(request: WriteRequest, chunks: readonly (Uint8Array | string)[], allBuffers: boolean): number
  shutdown(request: ShutdownRequest): number
}

/** A TCP connection. */
export interface TcpHandle extends StreamHandle {
  readonly fd: number
  readonly bytesWritten: number
  connect(request: ConnectRequest, address: string, port: number): number
  connect6(request: ConnectRequest, address: string, port: number): number
  bind(address: string, port: number, flags: number): number
  bind6(address: string, port: number, flags: number): number
  setNoDelay(on: boolean): number
  setKeepAlive(on: boolean, idle: number, interval: number, count: number): number
  getpeername(to: object): number
  getsockname(to: object): number
  reset(done: (this: TcpHandle) => void): number
  close(done: (this: TcpHandle) => void): void
}

/** Whom a handle calls. */
export interface HandleOwner {
  onRead(): Uint8Array | undefined
  onWritten(status: number): void
  onShut(): void
  onClosed(): void
}

export interface ServerHandle {
  onconnection: (status: number, handle: TcpHandle | undefined) => void
  bind(address: string, port: number, flags: number): number
  listen(backlog: number): number
  getsockname(to: object): number
  close(): void
}

/** Its callback is called when the write was asynchronous. What is written has to stay reachable until then. */
export interface WriteRequest {
  oncomplete?: ((this: WriteRequest, status: number, handle: StreamHandle) => void) | undefined
  kept?: unknown
}

export interface ShutdownRequest {
  oncomplete?: (this: ShutdownRequest, status: number, handle: StreamHandle) => void
}

export interface ConnectRequest {
  oncomplete?: (this: ConnectRequest, status: number, handle: StreamHandle) => void
}

interface TcpModule {
  readonly TCP: { new (type: number): TcpHandle & ServerHandle }
  readonly TCPConnectWrap: { new (): ConnectRequest }
  readonly constants: { readonly SOCKET: number; readonly SERVER: number }
}

interface StreamModule {
  readonly WriteWrap: { new (): WriteRequest }
  readonly ShutdownWrap: { new (): ShutdownRequest }
  /** What the last call or callback has to say, by these indexes. */
  readonly streamBaseState: Int32Array
  readonly kReadBytesOrError: number
  readonly kLastWriteWasAsync: number
}

export type TcpBinding = TcpModule & StreamModule

/**
 * Node's own interface to TCP connections, which its sockets use too. It is not documented and may change with any version of
 * node: `raw-check.ts` tries it out before it is used. `undefined` where this node has none, where it is not allowed
 * (`--permission`), or where the environment says `POSTERN_RAW_SOCKETS=0`.
 */
export const tcp: TcpBinding | undefined = process.env.POSTERN_RAW_SOCKETS === '0' ? undefined : load()

function load(): TcpBinding | undefined {
  const [sockets, streams] = [bindingOf<TcpModule>('tcp_wrap'), bindingOf<StreamModule>('stream_wrap')]
  return sockets && streams && { ...sockets, ...streams }
}

/** A binding of node; `undefined` where it has none of this name, or none for us. */
export function bindingOf<T extends object>(name: string): T | undefined {
  const { noDeprecation } = process
  // DEP0111, which node prints only with `--pending-deprecation`: users could do nothing about it.
  process.noDeprecation = true
  try {
    const { binding } = process as unknown as { binding(name: string): unknown }
    return binding(name) as T
  } catch {
    return undefined
  } finally {
    if (noDeprecation === undefined) delete (process as { noDeprecation?: boolean }).noDeprecation
    else process.noDeprecation = noDeprecation
  }
}
