import { type HookName, points } from '../../sdk/points.ts'
import type { Path } from '../config/problem.ts'
import { asList, asObject, asText, member } from '../config/untyped.ts'
import { type Attachment, hooksAt, layerOf } from './attachments.ts'
import type { Draft } from './draft.ts'
import type { PolicyFacts } from './plugins.ts'

const unseen: Readonly<Record<string, string>> = {
  host: 'host name',
  path: 'path',
  methods: 'methods',
  headers: 'headers',
  query: 'query',
  cookies: 'cookies',
}

/** Refuses what asks a layer for something that it does not have. */
export function checkLayers(draft: Draft): void {
  const { source, data, problems } = draft
  // Defaults are not somebody's wish: only what was written counts.
  const written = asObject(source.value)
  for (const [name, value] of Object.entries(asObject(data.listeners))) {
    if (asObject(value).protocol !== 'tcp') continue
    const listener = asObject(member(asObject(written.listeners), name))
    const at = ['listeners', name]
    if (Object.hasOwn(listener, 'trustedProxies')) problems.add(source, [...at, 'trustedProxies'], sees('headers'))
    if (Object.hasOwn(listener, 'underscores')) problems.add(source, [...at, 'underscores'], sees('headers'))
    if (Object.hasOwn(listener, 'timeouts')) {
      problems.add(source, [...at, 'timeouts'], 'tcp listeners wait for no requests; use "timeouts" of the upstream')
    }
  }
  for (const [name, value] of Object.entries(asObject(data.upstreams))) {
    if (asObject(value).protocol !== 'tcp') continue
    const timeouts = asObject(asObject(member(asObject(written.upstreams), name)).timeouts)
    const at = ['upstreams', name, 'timeouts']
    if (Object.hasOwn(timeouts, 'response'))
      problems.add(source, [...at, 'response'], 'tcp upstreams see no responses; use "idle"')
    if (Object.hasOwn(timeouts, 'tunnel'))
      problems.add(source, [...at, 'tunnel'], 'tcp upstreams see no upgrades; use "idle"')
  }
  checkRoutes(draft)
}

function checkRoutes({ source, data, problems }: Draft): void {
  const listeners = asObject(data.listeners)
  const upstreams = asObject(data.upstreams)
  const only = new Map<string, string>()
  for (const [name, value] of Object.entries(asObject(data.routes))) {
    const route = asObject(value)
    const at: Path = ['routes', name]
    const listener = asText(route.listener) ?? ''
    const upstream = asText(route.upstream) ?? ''
    const here = layerOf(asObject(member(listeners, listener)).protocol)
    const there = layerOf(asObject(member(upstreams, upstream)).protocol)
    if (here !== undefined && there !== undefined && here !== there) {
      const [is, should] = here === 'L4' ? ['http', 'tcp'] : ['tcp', 'http']
      const message = `upstream "${upstream}" is ${is} and listener "${listener}" is ${should}; use an upstream with "protocol": "${should}"`
      problems.add(source, [...at, 'upstream'], message)
    }
    if (here !== 'L4') continue
    for (const field of Object.keys(asObject(route.match))) {
      const what = Object.hasOwn(unseen, field) ? unseen[field] : undefined
      if (what !== undefined) problems.add(source, [...at, 'match', field], sees(what))
    }
    if (asList(route.pathExceptions).length > 0) problems.add(source, [...at, 'pathExceptions'], sees('path'))
    if (Object.hasOwn(route, 'reply')) {
      problems.add(
        source,
        [...at, 'reply'],
        'tcp listeners have no way to reply; name an upstream, or use an http listener',
      )
    }
    if (Object.hasOwn(route, 'timeout')) {
      problems.add(source, [...at, 'timeout'], 'tcp listeners see no requests; use "timeouts" of the upstream')
    }
    const first = only.get(listener)
    if (first === undefined) only.set(listener, name)
    else
      problems.add(
        source,
        at,
        `a tcp listener has one route, and "${listener}" has "${first}" already; use another listener`,
      )
  }
}

function sees(what: string): string {
  return `tcp listeners see no ${what}; use an http listener`
}

/** Refuses a policy where it could never do anything, and an upstream of the other protocol in its options. */
export function checkAttachment({ source, data, problems }: Draft, attachment: Attachment, facts: PolicyFacts): void {
  const { policy, place, name, layer, path } = attachment
  if (layer === undefined) return
  const { hooks, name: plugin } = facts.plugin.manifest
  const here = hooksAt(attachment, layer)
  const who = `policy "${policy}" (plugin ${plugin})`
  if (!hooks.some((hook) => here.includes(hook))) {
    const has = hooks.length === 0 ? 'it has no hooks' : `it has only ${hooks.join(', ')}`
    problems.add(source, path, `${who} would never run here: ${has}, and ${whyNot(attachment, hooks)}`)
    return
  }
  if (place === 'upstream' && facts.scopes.writes.includes('upstream')) {
    const message = `${who} chooses an upstream, and here one is chosen already; attach it to the listener or the route`
    problems.add(source, path, message)
  }
  for (const upstream of facts.upstreams) {
    const there = layerOf(asObject(member(asObject(data.upstreams), upstream)).protocol)
    if (there === undefined || there === layer) continue
    const [is, should] = layer === 'L4' ? ['http', 'tcp'] : ['tcp', 'http']
    const message = `${who} sends to upstream "${upstream}", which is ${is}; ${place} "${name}" needs one that is ${should}`
    problems.add(source, path, message)
  }
}

function whyNot({ layer, place, name }: Attachment, hooks: readonly HookName[]): string {
  if (hooks.every((hook) => points[hook].layers.includes('upstream'))) {
    if (place !== 'upstream') return `only an upstream has backends to check; attach it to the upstream`
    return `"health" of upstream "${name}" is false, so nobody asks; remove that, or the policy`
  }
  if (layer === 'L4') return `on tcp there are connections, no requests; use it with an http listener`
  if (place !== 'listener') {
    const what = hooks.includes('onConnect') ? 'onConnect runs before a request has' : 'a connection ends without'
    return `${what} a route; attach it to the listener`
  }
  return `none of that happens on an http listener`
}

/** Says so when of a policy that decides only the hooks run that look on. */
export function idleHooks(attachment: Attachment, { plugin }: PolicyFacts): string[] {
  if (attachment.layer === undefined) return []
  const here = hooksAt(attachment, attachment.layer)
  const deciding = plugin.manifest.hooks.filter((hook) => points[hook].kind !== 'observe')
  return deciding.some((hook) => here.includes(hook)) ? [] : deciding
}
