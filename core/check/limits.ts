import { layerOf } from '../config/protocols.ts'
import { parseDuration } from '../config/units.ts'
import { asObject, asText, member } from '../config/untyped.ts'
import type { Draft } from './draft.ts'

/** Shortest age of connections, ms. */
const shortestAge = 1_000

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
