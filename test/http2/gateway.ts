import { expect } from 'vitest'
import { send } from '../helpers/client.ts'
import { type BinaryGateway, httpConfig, type Json, shareGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { footprint } from '../hostile/footprint.ts'
import { request } from './frames.ts'
import { openRaw, type RawPeer } from './raw.ts'

type Extra = { [section: string]: { [name: string]: Json } }

/** A `postern` of one worker that speaks both versions on the plain port `web`. */
export interface Http2Gateway extends BinaryGateway {
  /** The worker's process. */
  readonly pid: number
}

/**
 * The tests of a file take turns in one: the function starts it, or reloads it with backends and what else it needs. Where
 * those are what they were there is no reload, see `shareBackend`.
 */
export function shareHttp2(): (ports: readonly number[], extra?: Extra) => Promise<Http2Gateway> {
  const share = shareGateway()
  let last: { readonly text: string; readonly gateway: BinaryGateway } | undefined
  return async (ports, extra = {}) => {
    const web = { http: ['1.1', '2'], ...(extra.listeners?.web as object) }
    const config = httpConfig(ports, { ...extra, listeners: { web } as Extra[string] })
    const text = JSON.stringify(config)
    if (last?.text !== text) last = { text, gateway: await share({ workers: 1, ...(config as object) }) }
    const { gateway } = last
    const pid = await until('the worker', () => gateway.process.workers()[0])
    const from = gateway.log.length
    return {
      ...gateway,
      get log() {
        return gateway.log.slice(from)
      },
      pid,
    }
  }
}

/** Fails unless somebody else is served, by both versions, on connections of their own. */
export async function expectServed(port: number): Promise<void> {
  expect((await send(port, '/served')).status).toBe(200)
  const client = await openRaw(port)
  client.send(request(1, [':path', '/served']))
  expect((await client.answer(1)).statuses).toEqual(['200'])
  await closed(client)
}

/** Ends a connection and waits for the other side to do so. */
export async function closed(client: RawPeer): Promise<void> {
  client.socket.end()
  await client.ended()
  client.socket.destroy()
}

/** The worker before an attack; `expectHealthy` compares. */
export interface Before {
  readonly pid: number
  readonly memory: number
  readonly handles: number
}

/** Notes what a worker holds. */
export function note({ pid }: Http2Gateway): Before {
  const { memory = 0, handles = 0 } = footprint(pid) ?? {}
  return { pid, memory, handles }
}

/**
 * Fails unless the same worker still runs, serves others, has given its descriptors back and holds at most so much more
 * memory, MB.
 */
export async function expectHealthy(gateway: Http2Gateway, before: Before, more: number): Promise<void> {
  await expectServed(gateway.port('web'))
  expect(gateway.process.workers()).toEqual([before.pid])
  const now = (): Before => note(gateway)
  await until(
    () => `descriptors: ${before.handles} before, ${now().handles} now`,
    () => now().handles <= before.handles + 8,
  )
  expect(now().memory - before.memory).toBeLessThan(more)
}
