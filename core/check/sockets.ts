import { isIPv6 } from 'node:net'
import { parseDuration } from '../config/units.ts'
import { asList, asObject, asText, member } from '../config/untyped.ts'
import { unixPath } from '../net/unix-address.ts'
import type { Draft } from './draft.ts'

/** Longest silence, and longest time between two probes, that Linux takes: 32,767 s. */
const longest = 32_767_000

/** Refuses what the kernel would refuse of each connection: times of keep-alive, and a source of the other version of IP. */
export function checkSockets({ source, data, problems }: Draft): void {
  for (const section of ['listeners', 'upstreams'] as const) {
    for (const [name, value] of Object.entries(asObject(data[section]))) {
      const { keepAlive, source: from, backends } = asObject(value)
      for (const field of ['idle', 'interval']) {
        const time = parseDuration(asText(member(asObject(keepAlive), field)) ?? '')
        if (typeof time !== 'number' || time <= longest) continue
        problems.add(source, [section, name, 'keepAlive', field], 'must be at most 9h: the kernel takes no longer time')
      }
      const address = asText(from)
      if (section === 'listeners' || address === undefined) continue
      for (const [index, backend] of asList(backends).entries()) {
        const to = asText(asObject(backend).address) ?? ''
        const at = [section, name, 'backends', index, 'address']
        const version = isIPv6(address) ? 'IPv6' : 'IPv4'
        if (unixPath(to) !== undefined)
          problems.add(source, at, `a Unix socket has no address to come from; remove "source" ${address}`)
        else if (/^\[/.test(to) ? version === 'IPv4' : version === 'IPv6' && /^[\d.]+:\d+$/.test(to))
          problems.add(source, at, `cannot be reached from "source" ${address}, which is ${version}`)
      }
    }
  }
}
