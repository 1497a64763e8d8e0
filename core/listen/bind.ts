import type { Server } from 'node:net'
import { getSystemErrorName } from 'node:util'
import { keepAliveOfListener } from '../net/keep-alive.ts'
import { unixPath } from '../net/unix-address.ts'
import { bindUnix, removeStale, type UnixHandle } from '../net/unix-listening.ts'
import type { HttpPlan, TcpPlan } from '../snapshot/snapshot.ts'
import type { BoundHandle } from './listener.ts'

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process is already listening on it',
  ENOENT: 'there is no such folder',
  ENOTSOCK: 'a file that is not a socket has this path; remove it, or name another path',
  EACCES: 'permission denied; ports below 1024 need a privilege (root, or CAP_NET_BIND_SERVICE on Linux)',
  EADDRNOTAVAIL: 'this machine has no such address',
}

/** Most connections that wait to be accepted; the kernel reduces it to its own limit. */
const backlog = 4096

/** The error for a listener whose address cannot be bound: names the listener, the address and the reason. */
export function bindError(name: string, address: string, port: number, error: NodeJS.ErrnoException): Error {
  const isPath = unixPath(address) !== undefined
  const reason = isPath && error.code === 'EACCES' ? 'permission denied' : (reasons[error.code ?? ''] ?? error.message)
  const where = isPath ? address : `${address} port ${port}`
  return new Error(`listener "${name}" cannot listen on ${where}: ${reason}`, { cause: error })
}

/**
 * Makes a server listen on a socket that is already bound, or on the address of its plan.
 *
 * @returns the port; 0 of a Unix socket
 */
export function bind(server: Server, plan: HttpPlan | TcpPlan, socket: BoundHandle | undefined): Promise<number> {
  const { address, port } = plan.config
  const path = unixPath(address)
  if (path !== undefined) return bindPath(server, plan, path, socket)
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => reject(bindError(plan.name, address, port, error))
    const listening = (): void => {
      server.off('error', failed)
      const bound = server.address()
      resolve(typeof bound === 'object' && bound !== null ? bound.port : 0)
    }
    server.once('error', failed)
    if (socket === undefined) server.listen({ host: address, port, backlog }, listening)
    else server.listen(socket, backlog, listening)
  })
}

/** A server of node takes no handle of a Unix socket, so it gets it as its own; see `acceptStreams`. */
async function bindPath(
  server: Server,
  { name, config }: HttpPlan | TcpPlan,
  path: string,
  socket: BoundHandle | undefined,
): Promise<number> {
  try {
    if (socket === undefined) await removeStale(path)
    const handle = (socket as UnixHandle | undefined) ?? bindUnix(path, config.mode!)
    const status = handle.listen(backlog)
    if (status !== 0) throw Object.assign(new Error(getSystemErrorName(status)), { code: getSystemErrorName(status) })
    ;(server as unknown as { _handle: UnixHandle })._handle = handle
    return 0
  } catch (error) {
    throw bindError(name, config.address, 0, error as NodeJS.ErrnoException)
  }
}

/** Sets the keep-alive of connections that come from now on, which have what the listening socket has (Linux). */
export function keepListener(server: Server, { config }: HttpPlan | TcpPlan): void {
  const { _handle: handle } = server as unknown as { _handle?: Parameters<typeof keepAliveOfListener>[0] }
  keepAliveOfListener(handle, config.keepAlive)
}
