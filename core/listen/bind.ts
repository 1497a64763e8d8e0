import type { Server } from 'node:net'
import type { HttpPlan, TcpPlan } from '../snapshot.ts'

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process is listening there',
  EACCES: 'not allowed: ports below 1024 need a privilege',
  EADDRNOTAVAIL: 'this machine has no such address',
}

/** Binds a server to the address of its plan. */
export function bind(server: Server, plan: HttpPlan | TcpPlan): Promise<void> {
  const { address, port } = plan.config
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      const reason = reasons[error.code ?? ''] ?? error.message
      reject(new Error(`listener "${plan.name}" cannot listen on ${address} port ${port}: ${reason}`, { cause: error }))
    }
    server.once('error', failed)
    server.listen({ host: address, port, backlog: 4096 }, () => {
      server.off('error', failed)
      resolve()
    })
  })
}
