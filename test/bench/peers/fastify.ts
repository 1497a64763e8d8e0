import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Peer } from './peer.ts'

const server = join(import.meta.dirname, 'fastify-server.ts')
const require = createRequire(import.meta.url)

/** As shipped it writes no access log. */
export const fastify: Peer = {
  name: '@fastify/http-proxy',
  missing: () =>
    resolves('fastify') && resolves('@fastify/http-proxy') ? undefined : 'fastify and @fastify/http-proxy',
  version: () => (require('@fastify/http-proxy/package.json') as { version: string }).version,
  command: (work, { port, stable }) => [
    process.execPath,
    server,
    `${port}`,
    `${stable}`,
    ...(work.webSockets ? ['websocket'] : []),
  ],
}

function resolves(name: string): boolean {
  try {
    require.resolve(name)
    return true
  } catch {
    return false
  }
}
