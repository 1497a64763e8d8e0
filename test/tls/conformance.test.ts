import { describe } from 'vitest'
import { runOverTls } from './over-tls.ts'

runOverTls('both')

// The duties of HTTP do not depend on what carries it, to clients and to backends.
describe('over TLS on both sides', async () => {
  await import('../conformance/duties.test.ts')
  await import('../conformance/cve.test.ts')
  await import('../hostile/backends.test.ts')
})
