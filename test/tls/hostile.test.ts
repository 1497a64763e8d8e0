import { describe } from 'vitest'
import { runOverTls } from './over-tls.ts'

runOverTls('clients')

// What a plugin or a client does must harm no one over TLS either.
describe('over TLS', async () => {
  await import('../hostile/clients.test.ts')
  await import('../hostile/records.test.ts')
  await import('../hostile/realm.test.ts')
})
