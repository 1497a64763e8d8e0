import { afterEach, describe, expect, test, vi } from 'vitest'
import { echoBackend } from '../helpers/backend.ts'
import { type Json, startInProcess } from '../helpers/gateway.ts'
import { createAuthority, type Issued } from './certificates.ts'
import { type Visit, visit } from './visit.ts'

const authority = createAuthority()
const { ca } = authority
const web = authority.issue()
const [staff, partners] = [createAuthority('Staff'), createAuthority('Partners')]
const hour = 60 * 60 * 1000
const alice = staff.issue({ usage: 'client', names: ['alice'], to: new Date(Date.now() + hour) })
const files = { 'web.crt': web.chain, 'web.key': web.key, 'staff.crt': staff.cert, 'partners.crt': partners.cert }

/** Listeners with one certificate of their own and different rules for those of their clients, in one process. */
async function serve(rules: { readonly [listener: string]: Json }) {
  const backend = await echoBackend()
  const https = (clientCertificate: Json): Json => {
    const tls = { certificates: [{ cert: 'web.crt', key: 'web.key' }], clientCertificate }
    return { protocol: 'https', address: '127.0.0.1', port: 0, tls }
  }
  const names = Object.keys(rules)
  return startInProcess(
    {
      listeners: Object.fromEntries(names.map((name) => [name, https(rules[name]!)])),
      routes: Object.fromEntries(names.map((name) => [name, { listener: name, upstream: 'app' }])),
      upstreams: { app: { backends: [{ address: `127.0.0.1:${backend.port}` }], health: false } },
    },
    files,
  )
}

const served = { error: undefined, text: expect.stringContaining('HTTP/1.1 200 ') as string }

describe.each(['TLSv1.3', 'TLSv1.2'] as const)('%s', (version) => {
  const at = (port: number, session?: Buffer, client?: Issued): Promise<Visit> =>
    visit(port, {
      ...{ ca, minVersion: version, maxVersion: version },
      ...(client && { cert: client.chain, key: client.key }),
      ...(session && { session }),
    })

  test('a session of one listener does not let its client in at another, whose authorities do not know it (CVE-2025-23419)', async () => {
    const { port } = await serve({
      staff: { mode: 'require', ca: ['staff.crt'] },
      partners: { mode: 'require', ca: ['partners.crt'] },
      anyone: { mode: 'request', ca: ['partners.crt'] },
    })
    const { session } = await at(port('staff'), undefined, alice)
    // The certificate is in the session: it need not be shown again.
    expect(await at(port('staff'), session)).toMatchObject({ resumed: true, ...served })
    const without = await at(port('partners'), session)
    expect(without).toMatchObject({
      resumed: false,
      text: '',
      error: expect.stringMatching(/CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE/),
    })
    const withIt = await at(port('partners'), session, alice)
    expect(withIt).toMatchObject({ resumed: false, text: expect.stringContaining('HTTP/1.1 400 ') })
    expect(await at(port('anyone'), session)).toMatchObject({ resumed: false, ...served })
  })

  test('a session does not outlive the certificate of its client', async () => {
    const { port } = await serve({ staff: { mode: 'require', ca: ['staff.crt'] } })
    const { session } = await at(port('staff'), undefined, alice)
    expect(await at(port('staff'), session)).toMatchObject({ resumed: true, ...served })
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + hour + 1000 })
    expect(await at(port('staff'), session)).toMatchObject({
      resumed: true,
      text: expect.stringContaining('certificate has expired'),
    })
  })

  test('the time of a session with a client certificate does not begin anew when it is resumed', async () => {
    const { port } = await serve({ staff: { mode: 'require', ca: ['staff.crt'] } })
    const { session } = await at(port('staff'), undefined, alice)
    const again = await at(port('staff'), session)
    expect(again.resumed).toBe(true)
    expect(again.session === undefined || again.session.equals(session!)).toBe(true)
  })
})

afterEach(() => void vi.useRealTimers())
