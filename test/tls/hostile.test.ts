import { describe } from 'vitest'
import { speakTls } from '../helpers/client.ts'
import { listenOverTls } from '../helpers/gateway.ts'
import { createAuthority } from './certificates.ts'

const authority = createAuthority()
const { chain: cert, key } = authority.issue()
speakTls(authority.ca)
listenOverTls({ certificates: [{ cert, key }] })

// What a plugin or a client does must harm no one over TLS either.
describe('over TLS', async () => {
  await import('../hostile/clients.test.ts')
  await import('../hostile/records.test.ts')
  await import('../hostile/realm.test.ts')
})
