import type { Server } from 'node:net'
import type { HttpPlan, TcpPlan } from '../snapshot/snapshot.ts'
import type { BoundHandle } from './listener.ts'

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process is already listening on it',
  EACCES: 'permission denied; ports below 1024 need a privilege (root, or CAP_NET_BIND_SERVICE on Linux)',
  EADDRNOTAVAIL: 'this machine has no such address',
}

/** Most connections that wait to be accepted; the kernel reduces it to its own limit. */
const backlog = 4096

/** The error for a listener whose address cannot be bound: names the listener, the address and the reason. */
export function bindError(name: string, address: string, port: number, error: NodeJS.ErrnoException): Error {
  const reason = reasons[error.code ?? ''] ?? error.message
  return new Error(`listener "${name}" cannot listen on ${address} port ${port}: ${reason}`, { cause: error })
}

/**
 * Makes a server listen on a socket that is already bound, or on the address of its plan.
 *
 * @returns the port
 */
export function bind(server: Server, plan: HttpPlan | TcpPlan, socket: BoundHandle | undefined): Promise<number> {
  const { address, port } = plan.config
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
