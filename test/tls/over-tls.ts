import { serveOverTls } from '../helpers/backend.ts'
import { speakTls } from '../helpers/client.ts'
import { listenOverTls, reachOverTls } from '../helpers/gateway.ts'
import { createAuthority } from './certificates.ts'

/**
 * From now on the tests of this file run over TLS: clients and listeners speak it, and with `both` gateways and backends, too.
 * Before the files that it repeats are imported.
 */
export function runOverTls(sides: 'clients' | 'both'): void {
  const authority = createAuthority()
  const { chain: cert, key } = authority.issue()
  speakTls(authority.ca)
  listenOverTls({ certificates: [{ cert, key }] })
  if (sides === 'clients') return
  serveOverTls({ cert, key })
  reachOverTls({ ca: authority.ca })
}
