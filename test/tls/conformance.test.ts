import { describe } from 'vitest'
import { serveOverTls } from '../helpers/backend.ts'
import { speakTls } from '../helpers/client.ts'
import { listenOverTls, reachOverTls } from '../helpers/gateway.ts'
import { createAuthority } from './certificates.ts'

const authority = createAuthority()
const { chain: cert, key } = authority.issue()
speakTls(authority.ca)
listenOverTls({ certificates: [{ cert, key }] })
serveOverTls({ cert, key })
reachOverTls({ ca: authority.ca })

// The duties of HTTP do not depend on what carries it, to clients and to backends.
describe('over TLS on both sides', async () => {
  await import('../conformance/duties.test.ts')
  await import('../conformance/cve.test.ts')
  await import('../hostile/backends.test.ts')
})
