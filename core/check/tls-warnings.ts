import type { Path } from '../config/problem.ts'
import type { Config } from '../config/types.ts'
import type { Attachment } from './attachments.ts'
import type { PolicyFacts } from './plugins.ts'

/** Warns of policies that wait for what no client of their listener has. Those of an upstream may serve any listener. */
export function warnOfTls(
  { policy, level, name, path }: Attachment,
  facts: PolicyFacts | undefined,
  { listeners, routes }: Config,
  warn: (path: Path, message: string) => void,
): void {
  const listener = level === 'listener' ? name : level === 'route' ? routes[name]?.listener : undefined
  const config = listener === undefined ? undefined : listeners[listener]
  if (facts === undefined || config === undefined) return
  const { when, reads } = facts.scopes
  const asks = config.tls?.clientCertificate !== undefined
  if (when?.tls !== undefined && config.tls === undefined) {
    const { serverName: _, ...more } = when.tls
    const isHelloRead = Object.values(routes).some((route) => {
      return route.listener === listener && (route.match.serverName ?? route.match.alpn) !== undefined
    })
    if (isHelloRead && Object.keys(more).length === 0) return
    const why = isHelloRead
      ? `its trigger is for more than the server name, and listener "${listener}" passes TLS on without a handshake`
      : `its trigger is for TLS, and listener "${listener}" is ${config.protocol}`
    warn(path, `policy "${policy}" never runs here: ${why}`)
    return
  }
  const remedy = `listener "${listener}" does not ask for them; set "clientCertificate" of its "tls"`
  if (when?.tls?.client !== undefined && !asks) {
    warn(path, `policy "${policy}" never runs here: its trigger is for certificates of clients, and ${remedy}`)
    return
  }
  const read = reads.find((scope) => scope.startsWith('tls.client.'))
  if (read !== undefined && !asks)
    warn(path, `policy "${policy}" reads ${read} of certificates of clients, but ${remedy}`)
}
