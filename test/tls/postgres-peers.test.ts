import { expect, test } from 'vitest'
import { type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { createAuthority } from './certificates.ts'
import { describeWithPostgres, query, startPostgres } from './postgres-server.ts'

const ca = createAuthority()
const own = ca.issue({ names: ['me'], usage: 'client' })

function gatewayTo(port: number, tls: { [name: string]: Json }): Promise<TestGateway> {
  const backends = [{ address: `127.0.0.1:${port}` }]
  const config: Json = {
    listeners: { database: { protocol: 'tcp', address: '127.0.0.1', port: 0 } },
    routes: { all: { listener: 'database', upstream: 'database' } },
    upstreams: {
      database: { protocol: 'tcp', backends, tls: { starttls: 'postgres', ...tls }, health: { interval: '50ms' } },
    },
  }
  return startInProcess(config, { 'ca.pem': ca.cert, 'own.pem': own.chain, 'own.key': own.key })
}

const isEncrypted = 'select ssl from pg_stat_ssl where pid = pg_backend_pid()'

describeWithPostgres('PostgreSQL behind the gateway, over TLS', () => {
  test('answers psql, which knows nothing of that, whatever it asks for', async () => {
    const { port } = await startPostgres(ca.issue())
    const gateway = await gatewayTo(port, { ca: 'ca.pem' })
    await expect(query(port, 'select 1', { sslmode: 'disable' })).rejects.toThrow(/no encryption/)
    for (const sslmode of ['disable', 'allow', 'prefer']) {
      expect(await query(gateway.port('database'), isEncrypted, { sslmode })).toBe('t')
    }
    await expect(query(gateway.port('database'), 'select 1', { sslmode: 'require' })).rejects.toThrow(
      'server does not support SSL, but SSL was required',
    )
    expect(gateway.log.filter(({ msg }) => msg === 'backend down')).toEqual([])
  })

  test('knows the gateway by its certificate', async () => {
    const { port } = await startPostgres(ca.issue(), ca.cert)
    const gateway = await gatewayTo(port, { ca: 'ca.pem', cert: 'own.pem', key: 'own.key' })
    const name = 'select client_dn from pg_stat_ssl where pid = pg_backend_pid()'
    expect(await query(gateway.port('database'), name)).toBe('/CN=me')
  })

  test('is not used when it does not verify', async () => {
    const { port } = await startPostgres(createAuthority('Another CA').issue())
    const gateway = await gatewayTo(port, { ca: 'ca.pem' })
    await expect(query(gateway.port('database'), 'select 1')).rejects.toThrow()
    const { why } = await gateway.record(({ msg }) => msg === 'backend down')
    expect(why).toMatch(/unable to verify the first certificate/)
  })
})

describeWithPostgres('psql in front of the gateway', () => {
  test('verifies the gateway, which speaks TLS with both sides', async () => {
    const leaf = ca.issue()
    const { port } = await startPostgres(ca.issue())
    const listener = { protocol: 'tls', address: '127.0.0.1', port: 0 }
    const certificates = [{ cert: 'server.pem', key: 'server.key' }]
    const config: Json = {
      listeners: {
        strict: { ...listener, tls: { certificates, starttls: 'postgres' } },
        open: { ...listener, tls: { certificates, starttls: 'postgres', plain: true } },
      },
      routes: {
        strict: { listener: 'strict', upstream: 'database' },
        open: { listener: 'open', upstream: 'database' },
      },
      upstreams: {
        database: {
          protocol: 'tcp',
          backends: [{ address: `127.0.0.1:${port}` }],
          tls: { ca: 'ca.pem', starttls: 'postgres' },
        },
      },
    }
    const files = { 'ca.pem': ca.cert, 'server.pem': leaf.chain, 'server.key': leaf.key }
    const gateway = await startInProcess(config, files)
    const verified = { sslmode: 'verify-full', sslrootcert: `${gateway.folder}/ca.pem` }
    for (const name of ['strict', 'open']) {
      expect(await query(gateway.port(name), isEncrypted, verified)).toBe('t')
    }
    const clear = { sslmode: 'disable' }
    expect(await query(gateway.port('open'), isEncrypted, clear)).toBe('t')
    await expect(query(gateway.port('strict'), 'select 1', clear)).rejects.toThrow('this port takes only TLS')
  })
})
