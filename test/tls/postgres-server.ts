import { execFile, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe } from 'vitest'
import { hasCommand } from '../bench/installed.ts'
import { type Peer, startPeer } from '../peers/peer.ts'
import type { Issued } from './certificates.ts'

const versions = '/usr/lib/postgresql'

/** Where Debian has the programs of the newest version. */
const programs: string | undefined = (existsSync(versions) ? readdirSync(versions) : [])
  .toSorted((a, b) => Number(b) - Number(a))
  .map((version) => join(versions, version, 'bin'))
  .find((folder) => existsSync(join(folder, 'postgres')))

/** `describeWith` for PostgreSQL, whose server is not on the path. */
export function describeWithPostgres(name: string, tests: () => void): void {
  const isMissing = programs === undefined || !hasCommand('psql')
  const leftOut = isMissing && process.env.CI_SERVICES !== 'required'
  if (leftOut) process.stderr.write(`left out, for want of postgresql: ${name}\n`)
  describe.skipIf(leftOut)(name, tests)
}

/**
 * Starts PostgreSQL, which takes only connections over TLS. Everybody is `me`, who needs no password.
 *
 * @param clients authority of the certificates that clients must have; without it they need none
 */
export function startPostgres({ chain, key }: Issued, clients?: string): Promise<Peer> {
  return startPeer(({ folder, port }) => {
    const data = join(folder, 'data')
    const own = ownerOf(folder)
    const bin = programs ?? 'postgresql is not installed'
    const made = ['-D', data, '-U', 'me', '-A', 'trust', '--no-sync', '--no-instructions', '--locale=C', '-E', 'UTF8']
    const { stderr, status } = spawnSync(...asOwner([join(bin, 'initdb'), ...made]), { encoding: 'utf8' })
    if (status !== 0) throw new Error(`initdb: ${stderr}`)
    const file = (name: string, text: string): string => own(join(folder, name), text)
    const files = { ssl_cert_file: file('server.pem', chain), ssl_key_file: file('server.key', key) }
    const authority = clients === undefined ? {} : { ssl_ca_file: file('ca.pem', clients) }
    writeFileSync(
      join(data, 'pg_hba.conf'),
      `hostssl all me 127.0.0.1/32 ${clients === undefined ? 'trust' : 'cert'}\n`,
    )
    const settings = { ssl: 'on', ...files, ...authority, unix_socket_directories: '', fsync: 'off', port: `${port}` }
    const all = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    return asOwner([join(bin, 'postgres'), '-D', data, '-c', 'listen_addresses=127.0.0.1', ...all]).flat()
  })
}

/** Runs one query, and gives what it printed. Rejects with its error. @param where keywords of libpq */
export function query(port: number, sql: string, where: Readonly<Record<string, string>> = {}): Promise<string> {
  const keywords = { host: '127.0.0.1', port: `${port}`, user: 'me', dbname: 'postgres', ...where }
  const connection = Object.entries(keywords).map(([name, value]) => `${name}=${value}`)
  return new Promise((resolve, reject) => {
    execFile('psql', ['-XAt', '-c', sql, connection.join(' ')], (error, stdout, stderr) => {
      if (error === null) resolve(stdout.trim())
      else reject(new Error(stderr))
    })
  })
}

/** PostgreSQL refuses to be run by root. */
const isRoot = process.getuid?.() === 0

function asOwner(command: readonly string[]): [string, string[]] {
  const [first, ...rest] = isRoot
    ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups', ...command]
    : command
  return [first!, rest]
}

/** Gives a folder to whoever runs the server; writes files that only that user may read. */
function ownerOf(folder: string): (path: string, text: string) => string {
  const [, uid, gid] = /^postgres:[^:]*:(\d+):(\d+)/m.exec(readFileSync('/etc/passwd', 'utf8')) ?? []
  const give = (path: string): void => {
    if (isRoot) chownSync(path, Number(uid), Number(gid))
  }
  give(folder)
  return (path, text) => {
    writeFileSync(path, text)
    chmodSync(path, 0o600)
    give(path)
    return path
  }
}
