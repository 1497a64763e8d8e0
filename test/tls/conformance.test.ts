import { describe } from 'vitest'
import { speakTls } from '../helpers/client.ts'
import { listenOverTls } from '../helpers/gateway.ts'
import { createAuthority } from './certificates.ts'

const authority = createAuthority()
const { chain: cert, key } = authority.issue()
speakTls(authority.ca)
listenOverTls({ certificates: [{ cert, key }] })

// The duties of HTTP do not depend on what carries it.
describe('over TLS', async () => {
  await import('../conformance/duties.test.ts')
  await import('../conformance/cve.test.ts')
})
