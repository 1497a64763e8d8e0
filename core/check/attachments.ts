import { type HookName, hookNames, type Layer, points } from '../../sdk/points.ts'
import type { Path } from '../config/problem.ts'
import { isProtocol, layerOf, type Protocol } from '../config/protocols.ts'
import { asList, asObject, asText, member } from '../config/untyped.ts'

/** One mention of a policy: what it is attached to, and the path of the mention. */
export interface Attachment {
  readonly policy: string
  readonly level: 'listener' | 'route' | 'upstream'
  /** Name of the listener, route or upstream. */
  readonly name: string
  /** `undefined` when another mistake in the configuration hides it, as is `layer`. */
  readonly protocol: Protocol | undefined
  readonly layer: Layer | undefined
  /** An upstream whose `health` is not `false`. */
  readonly probed: boolean
  readonly path: Path
}

/** Every mention of a policy in `policies` of listeners, routes and upstreams. */
export function findAttachments(data: Readonly<Record<string, unknown>>): Attachment[] {
  const attachments: Attachment[] = []
  const listeners = asObject(data.listeners)
  const levels = { listeners: 'listener', routes: 'route', upstreams: 'upstream' } as const
  for (const [section, level] of Object.entries(levels)) {
    for (const [name, value] of Object.entries(asObject(data[section]))) {
      const owner = asObject(value)
      const speaker = level === 'route' ? asObject(member(listeners, asText(owner.listener) ?? '')) : owner
      const protocol = isProtocol(speaker.protocol) ? speaker.protocol : undefined
      const layer = layerOf(protocol)
      for (const [index, policy] of asList(owner.policies).entries()) {
        if (typeof policy !== 'string') continue
        const isProbed = owner.health === undefined ? protocol !== 'udp' : owner.health !== false
        const probed = level === 'upstream' && isProbed
        attachments.push({ policy, level, name, protocol, layer, probed, path: [section, name, 'policies', index] })
      }
    }
  }
  return attachments
}

/** The hooks that run for an attached policy when flows are of this layer. */
export function hooksAt({ level, probed }: Attachment, layer: Layer): HookName[] {
  // On L7 a connection has no route yet when it opens.
  const early = layer === 'L4' || level === 'listener'
  return hookNames.filter((hook) => {
    const { layers } = points[hook]
    if (layers.includes('upstream')) return probed
    return layers.includes(layer) && (early || (hook !== 'onConnect' && hook !== 'onDisconnect'))
  })
}
