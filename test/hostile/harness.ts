import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, vi } from 'vitest'
import { echoBackend } from '../helpers/backend.ts'
import { type Json, shareGateway, startGateway, textOf } from '../helpers/gateway.ts'
import type { PosternProcess } from '../helpers/process.ts'
import { until } from '../helpers/until.ts'
import { type Answer, type Ask, send } from './send.ts'

/** What every gateway of this suite is started with; the rest are its defaults. */
const base: { readonly workers?: number } = { workers: 2 }

/** A gateway compiles, checks and forks before it serves; on a busy machine that takes its time, ms. */
const startUp = 60_000
vi.setConfig({ testTimeout: startUp + 60_000 })

export type LogRecord = Readonly<Record<string, unknown>>

/**
 * A running gateway: `/good/*` leads through the plugin `neighbour`, `/bad/<plugin>/*` through a hostile one beside it, in
 * one run with two companions.
 */
export interface Arena {
  readonly gateway: PosternProcess
  readonly port: number
  readonly base: { readonly workers?: number }
  /** Asks the route of a plugin; resolves whatever comes of it. */
  bad(plugin: string, path?: string, ask?: Ask): Promise<Answer>
  ask(path: string, ask?: Ask): Promise<Answer>
  /** Every log record since the test began. */
  log(): LogRecord[]
  /** Waits for a log record. */
  record(what: string, matches: (record: LogRecord) => boolean): Promise<LogRecord>
  /** Writes the configuration anew, with these options for the policies, and has it reloaded. */
  reload(options: PolicyOptions): void
}

export interface ArenaOptions {
  /** Options of the policies, by plugin. */
  readonly options?: PolicyOptions
  readonly limits?: { readonly [plugin: string]: Json }
  /** Origins that the plugins may reach. */
  readonly fetch?: { readonly [plugin: string]: Json[] }
  /** `isolation` of plugins. Default: all are in one group. */
  readonly isolation?: { readonly [plugin: string]: string }
  /** `timeouts` of the upstream. Default: as they come. */
  readonly timeouts?: Json
  /** Whether companions run before and behind each hostile plugin. Default: they do. */
  readonly companions?: boolean
  /** A gateway for this test alone, with a spare worker: for tests that end processes. */
  readonly ofItsOwn?: boolean
}

type PolicyOptions = { readonly [plugin: string]: Json }

const share = shareGateway()

/**
 * The `postern` binary with these plugins, as it comes but for what `base` says: that of the file, which its tests take
 * turns in, unless the test may cost it a process.
 */
export async function arena(plugins: readonly string[], settings: ArenaOptions = {}): Promise<Arena> {
  const { companions = true } = settings
  const backend = await echoBackend()
  const configured = (options: PolicyOptions): Json => configOf(plugins, backend.port, options, settings)
  const config = configured(settings.options ?? {})
  const { process: gateway, ...running } = await (settings.ofItsOwn
    ? startGateway(config, {}, { spare: true })
    : share(config))
  const port = running.port('web')
  const from = gateway.log().length
  const log = (): LogRecord[] => gateway.log().slice(from)
  const ask = async (path: string, options: Ask = {}): Promise<Answer> => {
    const answer = await send(port, path, options)
    if (companions && path.startsWith('/bad/') && answer.status === 200) expectCompanions(answer)
    return answer
  }
  return {
    gateway,
    port,
    base,
    ask,
    bad: (plugin, path = '/', options = {}) => ask(`/bad/${plugin}${path}`, options),
    log,
    record: (what, matches) =>
      until(`a log record: ${what}`, () => gateway.log().find((record, i) => i >= from && matches(record)), 15_000),
    reload: (options) => {
      writeFileSync(join(running.folder, 'gateway.json'), textOf(configured(options)))
      gateway.child.kill('SIGHUP')
    },
  }
}

function configOf(
  plugins: readonly string[],
  port: number,
  options: PolicyOptions,
  { limits = {}, fetch = {}, isolation = {}, timeouts = {}, companions = true }: ArenaOptions,
): Json {
  const names = ['neighbour', ...plugins.filter((name) => name !== 'neighbour')]
  const file = (name: string): string => join(import.meta.dirname, 'plugins', name, 'index.ts')
  const route = (name: string): Json => ({
    listener: 'web',
    match: { path: name === 'neighbour' ? '/good/*' : `/bad/${name}/*` },
    // So that it has others before it and behind it in one run.
    policies: name === 'neighbour' || !companions ? [name] : ['before', name, 'behind'],
    upstream: 'app',
  })
  const companion = { plugin: 'companion' }
  const policies = Object.fromEntries(names.map((name) => [name, { plugin: name, options: options[name] ?? {} }]))
  return {
    ...base,
    // `__proto__` has underscores.
    listeners: { web: { address: '127.0.0.1', port: 0, underscores: 'pass' } },
    routes: Object.fromEntries(names.map((name) => [name, route(name)])),
    upstreams: { app: { backends: [{ address: `127.0.0.1:${port}` }], health: false, timeouts } },
    policies: { ...policies, before: companion, behind: companion },
    plugins: Object.fromEntries(
      [...names, 'companion'].map((name) => [
        name,
        {
          source: file(name),
          ...(limits[name] && { limits: limits[name] }),
          ...(fetch[name] && { fetch: fetch[name] }),
          ...(isolation[name] && { isolation: isolation[name] }),
        },
      ]),
    ),
  }
}

/** Fails unless those that run in the same crossing before and behind the hostile plugin were not kept from their work. */
function expectCompanions(answer: Answer): void {
  expect(answer.headers['x-companion']).toBe('200')
  // The plugin may have replaced the body.
  if (!answer.body.startsWith('{"name":')) return
  const { url, headers } = JSON.parse(answer.body) as { url: string; headers: Record<string, string> }
  const [path] = url.split('?')
  expect(headers['x-companion']).toBe(`${path} ${path}`)
}

/** True when an answer of `/good/…` is what it is without anybody beside it. */
export function isGood(answer: Answer, path: string): boolean {
  if (answer.status !== 200) return false
  const sum = createHash('sha256').update(path).digest('base64url')
  const { headers } = JSON.parse(answer.body) as { headers: Record<string, string> }
  return headers['x-neighbour'] === `${path} ${sum} ${path} 0`
}

/**
 * What the client of an attacked route may see: the status, a problem document, and nothing of why.
 *
 * @param status those that the attack may end in
 */
export function expectRefused(answer: Answer, status: readonly number[] = [500]): void {
  expect(answer, answer.error).toMatchObject({ status: expect.toSatisfy((one: number) => status.includes(one)) })
  expect(answer.headers['content-type']).toBe('application/problem+json')
  expect(answer.body).not.toMatch(/plugin:\/\/|\.ts\b|\bat .*:\d+|node:|isolated/)
}
