import { describe } from 'vitest'
import { runOverTls } from './over-tls.ts'

runOverTls('both')

// A flow must not notice what carries it: its tests, with clients and backends that speak TLS.
describe('over TLS on both sides', async () => {
  await import('../flow/body.test.ts')
  await import('../flow/header-text.test.ts')
  await import('../flow/hooks.test.ts')
  await import('../flow/interim.test.ts')
  await import('../flow/response-types.test.ts')
  await import('../flow/rewind.test.ts')
  await import('../flow/resend.test.ts')
  await import('../flow/tcp.test.ts')
  await import('../flow/trailers.test.ts')
  await import('../flow/tunnel.test.ts')
  await import('../flow/upgrade.test.ts')
})
