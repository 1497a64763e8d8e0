import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, onTestFinished } from 'vitest'
import type { Gateway } from '../../core/gateway.ts'
import { startGateway as start } from '../../core/start.ts'
import { type PosternOptions, type PosternProcess, postern } from './process.ts'
import { until } from './until.ts'

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

export interface TestGateway {
  /** Folder of the configuration. */
  readonly folder: string
  /** Every record logged so far. */
  readonly log: readonly Record<string, unknown>[]
  port(listener: string): number
  /** Writes another configuration and reloads; rejects with why it was refused. */
  reload(config: Json): Promise<void>
  /** Waits for a log record. */
  record(matches: (record: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>
}

/** A `postern` with processes of its own. */
export interface BinaryGateway extends TestGateway {
  readonly process: PosternProcess
}

/** A folder with a configuration and whatever other files it needs; gone when the test is. */
export function gatewayFolder(config: Json, files: Record<string, string> = {}): string {
  const folder = newFolder(onTestFinished)
  write(folder, config, files)
  return folder
}

function newFolder(onFinished: (end: () => void) => void): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-test-'))
  onFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

let overTls: Json | undefined

/** From now on listeners are `https` and `tls` instead of `http` and `tcp`. @param tls of each listener */
export function listenOverTls(tls: Json): void {
  overTls = tls
}

let toTls: Json | undefined

/** From now on upstreams are reached over TLS. @param tls of each upstream */
export function reachOverTls(tls: Json): void {
  toTls = tls
}

type Sections = { [section: string]: { [name: string]: { [key: string]: Json } } }

/** The text of a configuration. */
export function textOf(config: Json): string {
  const upstreams = Object.entries((config as Sections).upstreams ?? {}).map(([name, one]) => [
    name,
    { ...one, tls: toTls! },
  ])
  const reached = toTls === undefined ? config : { ...(config as Sections), upstreams: Object.fromEntries(upstreams) }
  if (overTls === undefined) return JSON.stringify(reached)
  const { listeners, ...rest } = reached as Sections
  const secured = Object.entries(listeners ?? {}).map(([name, listener]) => {
    return [name, { ...listener, protocol: listener.protocol === 'tcp' ? 'tls' : 'https', tls: overTls }]
  })
  return JSON.stringify({ ...rest, listeners: Object.fromEntries(secured) as Json })
}

function write(folder: string, config: Json, files: Record<string, string>): void {
  for (const [name, text] of Object.entries({ 'gateway.json': textOf(config), ...files })) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
}

const withWorkers = (config: Json): Json => ({ workers: 2, ...(config as object) }) as Json

/**
 * Runs `postern` with its defaults and, unless the configuration says otherwise, two workers; ended when the test is over.
 * Costs seconds of CPU: for what only processes show. Files that need more than one of them take turns in one, see
 * `shareGateway`.
 */
export function startGateway(
  config: Json,
  files: Record<string, string> = {},
  options: PosternOptions = {},
): Promise<BinaryGateway> {
  return run(gatewayFolder(withWorkers(config), files), options)
}

/**
 * For the tests of a file, which take turns in one `postern`: the first call starts it, as `startGateway` does, each later
 * one reloads it with another configuration. What a test gets shows the log from then on. Ended after the last test.
 */
export function shareGateway(
  options: PosternOptions = {},
): (config: Json, files?: Record<string, string>) => Promise<BinaryGateway> {
  const ends: (() => void)[] = []
  const onFinished = (end: () => void): void => void ends.push(end)
  afterAll(() => {
    for (const end of ends) end()
  })
  let shared: BinaryGateway | undefined
  return async (config, files = {}) => {
    if (shared === undefined) {
      const folder = newFolder(onFinished)
      write(folder, withWorkers(config), files)
      shared = await run(folder, { ...options, onFinished })
      return shared
    }
    write(shared.folder, withWorkers(config), files)
    await shared.reload(config)
    const { process } = shared
    const from = process.log().length
    const since = (): readonly Record<string, unknown>[] => process.log().slice(from)
    return {
      ...shared,
      get log() {
        return since()
      },
      record: (matches) => process.record(matches, from),
    }
  }
}

async function run(folder: string, options: PosternOptions): Promise<BinaryGateway> {
  const process = postern(['run', '-c', join(folder, 'gateway.json')], options)
  const said = (): string => `${process.stderr()}${process.stdout()}`.slice(-3_000)
  const isAnswer = ({ msg }: Record<string, unknown>): boolean =>
    msg === 'reloaded' || String(msg).startsWith('reload rejected')
  const awaited = <T>(what: string, condition: () => T | undefined | false): Promise<T> =>
    until(
      () => `${what}: ${said()}`,
      () => {
        if (process.ended()) throw new Error(`postern has ended: ${said()}`)
        return condition()
      },
      60_000,
    )
  await awaited('the start', () => process.stderr().includes('postern: ready'))
  const ports = new Map(
    [...process.stderr().matchAll(/listener "([^"]+)".* port (\d+)/g)].map(([, name, port]) => [name!, Number(port)]),
  )
  return {
    process,
    folder,
    get log() {
      return process.log()
    },
    port: (listener) => ports.get(listener) ?? 0,
    reload: async (next) => {
      const before = process.log().filter(isAnswer).length
      writeFileSync(join(folder, 'gateway.json'), textOf(withWorkers(next)))
      process.child.kill('SIGHUP')
      const answer = await awaited('the reload', () => process.log().filter(isAnswer)[before])
      if (answer.msg !== 'reloaded') throw new Error((answer.problems as string[]).join('\n'))
    },
    record: process.record,
  }
}

/** A gateway in this process, for what can only be seen from within; closed when the test is over, or `onFinished` says so. */
export async function startInProcess(
  config: Json,
  files: Record<string, string> = {},
  onFinished: (end: () => Promise<void> | void) => void = onTestFinished,
): Promise<TestGateway & { readonly gateway: Gateway; readonly drain: () => Promise<void> }> {
  const folder = newFolder(onFinished)
  write(folder, config, files)
  const log: Record<string, unknown>[] = []
  const stream = { write: (line: string): void => void log.push(JSON.parse(line) as Record<string, unknown>) }
  const running = await start({ config: join(folder, 'gateway.json'), env: {}, log: stream })
  const { gateway } = running
  onFinished(() => running.close())
  return {
    gateway,
    drain: running.drain,
    folder,
    log,
    port: (listener) => gateway.port(listener) ?? 0,
    reload: (next) => {
      writeFileSync(join(folder, 'gateway.json'), textOf(next))
      return running.reload()
    },
    record: (matches) => until('a log record', () => log.find(matches)),
  }
}

/** The smallest gateway: one http listener, one route, one upstream with these backends; `extra` is merged over it. */
export function httpConfig(
  ports: readonly number[],
  extra: { [section: string]: { [name: string]: Json } } = {},
): Json {
  const base: { [section: string]: { [name: string]: Json } } = {
    listeners: { web: { address: '127.0.0.1', port: 0 } },
    routes: { all: { listener: 'web', upstream: 'app' } },
    upstreams: { app: { backends: ports.map((port) => ({ address: `127.0.0.1:${port}` })), health: false } },
  }
  return merge(base, extra) as Json
}

function merge(base: Json, extra: Json): Json {
  if (!isObject(base) || !isObject(extra)) return extra
  const merged: { [name: string]: Json } = { ...base }
  for (const [name, value] of Object.entries(extra)) merged[name] = name in base ? merge(base[name]!, value) : value
  return merged
}

function isObject(value: Json): value is { [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
