import { spawn } from 'node:child_process'
import { expect, test } from 'vitest'
import { type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import type { Peer } from '../peers/peer.ts'
import { createAuthority } from '../tls/certificates.ts'
import { describeWithPostgres, query, startPostgres } from '../tls/postgres-server.ts'
import { seed } from './seed.ts'

const ca = createAuthority()
const whichServer = 'select inet_server_port()'

interface Session {
  /** What it printed so far. */
  readonly said: () => string
  /** Exit code, once it has ended. */
  readonly code: () => number | null
  ask(sql: string): void
}

/** A psql that stays connected. */
function session(port: number): Session {
  let said = ''
  const args = ['-XAt', '-v', 'ON_ERROR_STOP=1', `host=127.0.0.1 port=${port} user=me dbname=postgres sslmode=require`]
  const child = spawn('psql', args, { stdio: ['pipe', 'pipe', 'pipe'] })
  for (const output of [child.stdout, child.stderr]) output.on('data', (chunk: Buffer) => (said += chunk.toString()))
  child.stdin.on('error', () => {})
  return { said: () => said, code: () => child.exitCode, ask: (sql) => void child.stdin.write(`${sql};\n`) }
}

async function opened(port: number): Promise<Session & { server: number }> {
  const one = session(port)
  one.ask(whichServer)
  await until(
    () => `an answer, after ${one.said()}`,
    () => /^\d+$/m.test(one.said()),
  )
  return { ...one, server: Number(/^\d+$/m.exec(one.said())![0]) }
}

async function gatewayTo(replicas: readonly Peer[]): Promise<TestGateway> {
  const [a, b] = replicas.map(({ port }) => port)
  const ports = { '10.10.30.11:5432': a!, '10.10.30.12:5432': b! }
  return startInProcess(seed('postgres-replicas', ports, { '10s': '100ms' }))
}

describeWithPostgres('read replicas of PostgreSQL', () => {
  test('sessions go to the one with fewer, and those of one that dies end, while new ones go to the other', async () => {
    const replicas = await Promise.all([startPostgres(ca.issue()), startPostgres(ca.issue())])
    const gateway = await gatewayTo(replicas)
    const port = gateway.port('pg')
    // TLS passes through: the certificate is that of the server.
    const open = [await opened(port), await opened(port), await opened(port), await opened(port)]
    const servers = open.map(({ server }) => server)
    expect(servers.toSorted()).toEqual([...replicas, ...replicas].map((one) => one.port).toSorted())
    const [first] = open
    const doomed = replicas.find((one) => one.port === first!.server)!
    // Immediately, as after a crash.
    process.kill(doomed.pid, 'SIGQUIT')
    await gateway.record(({ msg, backend }) => msg === 'backend down' && backend === `127.0.0.1:${doomed.port}`)
    for (const one of open.filter(({ server }) => server === doomed.port)) {
      one.ask('select 1')
      await until('the end of its session', () => one.code() !== null)
      expect(one.said()).toMatch(/terminating connection|server closed the connection|SSL connection has been closed/)
    }
    const left = replicas.find((one) => one !== doomed)!
    for (let i = 0; i < 3; i++) {
      expect(await query(port, whichServer, { sslmode: 'require' })).toBe(`${left.port}`)
    }
    const kept = open.find(({ server }) => server === left.port)!
    kept.ask("select 'still ' || 'here'")
    await until('an answer of the other', () => kept.said().includes('still here'))
  })

  test('sslmode=require through a gateway that terminates TLS, to a server that takes only TLS', async () => {
    const leaf = ca.issue()
    const { port } = await startPostgres(ca.issue())
    const { listeners, upstreams, ...rest } = seed('postgres-replicas', {
      '10.10.30.11:5432': port,
      '10.10.30.12:5432': port,
    }) as { listeners: { pg: { [key: string]: Json } }; upstreams: { replicas: { [key: string]: Json } } }
    const tls = { certificates: [{ cert: 'server.pem', key: 'server.key' }], starttls: 'postgres' }
    const gateway = await startInProcess(
      {
        ...rest,
        listeners: { pg: { ...listeners.pg, protocol: 'tls', tls } },
        upstreams: {
          replicas: {
            ...upstreams.replicas,
            backends: [{ address: `127.0.0.1:${port}` }],
            tls: { ca: 'ca.pem', starttls: 'postgres' },
          },
        },
      },
      { 'ca.pem': ca.cert, 'server.pem': leaf.chain, 'server.key': leaf.key },
    )
    const where = { sslmode: 'verify-full', sslrootcert: `${gateway.folder}/ca.pem` }
    expect(await query(gateway.port('pg'), whichServer, where)).toBe(`${port}`)
  })
})
