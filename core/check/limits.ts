import { layerOf, trafficOf } from '../config/protocols.ts'
import { parseDuration } from '../config/units.ts'
import { asObject, asText, member } from '../config/untyped.ts'
import type { Draft } from './draft.ts'

/** Shortest age of connections, ms. */
const shortestAge = 1_000

/** Shortest limit on writes that are not acknowledged, ms. */
const shortestWrite = 1_000

/** Refuses a limit on writes where another one does the same, and one that a packet that is sent again would exceed. */
export function checkWriteLimits({ source, data, problems }: Draft): void {
  for (const [name, value] of Object.entries(asObject(data.upstreams))) {
    const { protocol, timeouts } = asObject(value)
    const write = asText(member(asObject(timeouts), 'write'))
    if (write === undefined || layerOf(protocol) === undefined) continue
    const at = ['upstreams', name, 'timeouts', 'write']
    if (trafficOf(protocol) === 'datagrams')
      problems.add(source, at, `${String(protocol)} acknowledges nothing; use "idle"`)
    else if (layerOf(protocol) === 'L7')
      problems.add(source, at, `${String(protocol)} upstreams end a side that takes nothing by "idle"; remove it`)
    else {
      const limit = parseDuration(write)
      if (typeof limit === 'number' && limit < shortestWrite)
        problems.add(source, at, 'must be at least 1s: a packet that is lost is sent again within that time')
    }
  }
}

/** Refuses `limits` of connections that carry no requests, and ages that would make nearly each request pay for a new connection. */
export function checkLimits({ source, data, problems }: Draft): void {
  for (const section of ['listeners', 'upstreams'] as const) {
    for (const [name, value] of Object.entries(asObject(data[section]))) {
      const { protocol, limits } = asObject(value)
      if (limits === undefined) continue
      const at = [section, name, 'limits']
      if (layerOf(protocol) === 'L4') {
        problems.add(source, at, `${String(protocol)} ${section} do not divide a connection into requests; remove it`)
        continue
      }
      const age = parseDuration(asText(member(asObject(limits), 'connectionAge')) ?? '')
      if (typeof age === 'string' || age >= shortestAge) continue
      problems.add(source, [...at, 'connectionAge'], 'must be at least 1s: each connection costs handshakes')
    }
  }
}
