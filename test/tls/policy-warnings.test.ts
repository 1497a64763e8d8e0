import { join } from 'node:path'
import { expect, test } from 'vitest'
import { checkConfig } from '../../core/check/check.ts'
import { gatewayFolder, type Json } from '../helpers/gateway.ts'
import { createAuthority } from './certificates.ts'

const authority = createAuthority()
const web = authority.issue()

const plugin = (declared: string): string => `
import { definePlugin } from 'postern/sdk'
export default definePlugin({ name: 'p', ${declared} onRequest() {} })`

const http = { port: 0 }
const tls = { certificates: [{ cert: 'web.crt', key: 'web.key' }] }
const https = { port: 0, protocol: 'https', tls }
const asking = { ...https, tls: { ...tls, clientCertificate: { mode: 'request', ca: ['ca.crt'] } } }

/** Warnings about a policy of a listener with this plugin. */
async function warnings(listener: Json, declared: string, at: 'listener' | 'route' = 'listener'): Promise<string[]> {
  const policies = (level: string): { policies: string[] } => ({ policies: level === at ? ['a'] : [] })
  const config = {
    listeners: { web: { ...(listener as object), ...policies('listener') } },
    routes: { all: { listener: 'web', reply: { status: 200 }, ...policies('route') } },
    policies: { a: { plugin: 'p' } },
  } as Json
  const files = { 'web.crt': web.chain, 'web.key': web.key, 'ca.crt': authority.cert }
  const folder = gatewayFolder(config, { ...files, 'plugins/p/index.ts': plugin(declared) })
  const result = await checkConfig(join(folder, 'gateway.json'))
  if (!result.ok) throw new Error(JSON.stringify(result.problems))
  return result.warnings.map(({ path, message }) => `${path}: ${message}`)
}

const remedy = 'listener "web" does not ask for them; set "clientCertificate" of its "tls"'

test.each([
  [
    http,
    "when: { tls: { serverName: ['a'] } },",
    'never runs here: its trigger is for TLS, and listener "web" is http',
  ],
  [
    https,
    'when: { tls: { client: { verified: true } } },',
    `never runs here: its trigger is for certificates of clients, and ${remedy}`,
  ],
  [
    https,
    "reads: ['tls.version', 'tls.client.san'],",
    `reads tls.client.san of certificates of clients, but ${remedy}`,
  ],
  [http, "reads: ['tls.client.san'],", `reads tls.client.san of certificates of clients, but ${remedy}`],
] as const)('a policy that waits in vain: %j, %s', async (listener, declared, message) => {
  expect(await warnings(listener, declared)).toEqual([`listeners.web.policies[0]: policy "a" ${message}`])
  expect(await warnings(listener, declared, 'route')).toEqual([`routes.all.policies[0]: policy "a" ${message}`])
})

test.each([
  // It may be of use on several listeners.
  [http, "reads: ['tls.serverName', 'tls.version'],"],
  [https, "when: { tls: { serverName: ['a'], version: ['1.3'] } },"],
  [asking, "reads: ['tls.client.san'], when: { tls: { client: { verified: true } } },"],
] as const)('one that does not: %j, %s', async (listener, declared) => {
  expect(await warnings(listener, declared)).toEqual([])
})
