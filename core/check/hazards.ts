import type { HookName } from '../../sdk/points.ts'
import type { Path } from '../config/problem.ts'
import type { Config } from '../config/types.ts'
import { canMeet, covers } from '../hooks/overlap.ts'
import { compileWhen } from '../hooks/when.ts'
import { type AttachedPolicy, findPairs, type Pair } from './chains.ts'
import type { PolicyFacts } from './plugins.ts'

/** A likely mistake in the order of two policies. */
export interface Hazard {
  readonly path: Path
  /** What goes wrong, and how to fix it. */
  readonly message: string
}

/**
 * Likely mistakes in the order of policies, found from their declared scopes; each pair of policies once, however many
 * chains contain it.
 *
 * All of them are warnings, not errors: a scope says what a policy may do, not what it does with each request. A limiter
 * may be intended to see a header that a later policy strips, and a policy that answers preflights belongs before
 * authentication.
 */
export function findHazards(config: Config, facts: ReadonlyMap<string, PolicyFacts>): readonly Hazard[] {
  return findPairs(config, facts).flatMap((pair) => {
    const { layer, early, late } = pair
    if (layer === 'L7' && !canMeet(early.facts.scopes.when, late.facts.scopes.when)) return []
    return [readTooEarly(pair), readTooEarlyInResponse(pair), ...writtenTwice(pair), answeredBeforeAuth(pair)].filter(
      (hazard) => hazard !== undefined,
    )
  })
}

/** The hook in which a policy reads and writes what belongs to the request, or on L4 to the connection. */
function requestHook({ layer }: Pair): HookName {
  return layer === 'L4' ? 'onConnect' : 'onRequest'
}

function readTooEarly(pair: Pair): Hazard | undefined {
  const { early, late } = pair
  // Only this hook reads before the others write; later hooks see the final values.
  if (!bothHave(pair, requestHook(pair))) return undefined
  const read = readsOf(early).filter((scope) => requestWrites(late, pair).some((write) => covers(write, scope)))
  if (read.length === 0) return undefined
  // A policy that reads what it writes may strip it: then the order may be intended.
  const strips = read.every((scope) => late.facts.scopes.reads.includes(scope))
  const unless = strips ? `, unless ${quote(early)} should see what the client sent` : ''
  const message = `${who(early)} reads ${list(read)}, which ${who(late)} ${verb(late, read)} later; put ${quote(late)} before ${quote(early)}${where(early, late)}${unless}`
  return { path: early.path, message }
}

/** Responses pass the chain in reverse: its first policy writes last. */
function readTooEarlyInResponse(pair: Pair): Hazard | undefined {
  const { early, late } = pair
  if (!hasHook(late, 'onResponse')) return undefined
  const read = readsOf(late).filter((scope) => responseWrites(early).some((write) => covers(write, scope)))
  if (read.length === 0) return undefined
  const message = `${who(late)} reads ${list(read)}, which ${who(early)} ${verb(early, read)} later, because responses pass the policies in reverse order; put ${quote(late)} before ${quote(early)}${where(early, late)}`
  return { path: late.path, message }
}

function writtenTwice(pair: Pair): Hazard[] {
  const { early, late } = pair
  const hazards: Hazard[] = []
  const report = (fields: readonly string[], winner: AttachedPolicy, why: string): void => {
    if (fields.length === 0) return
    const sure = [early, late].every((one) => verb(one, fields) === 'writes')
    const may = sure ? 'write' : 'may write'
    const loser = winner === early ? late : early
    const message = `${who(early)} and ${who(late)} both ${may} ${list(fields)}; ${quote(winner)} wins, ${why}; keep one of them, or swap them to let ${quote(loser)} win`
    hazards.push({ path: late.path, message })
  }
  if (bothHave(pair, requestHook(pair))) {
    report(shared(requestWrites(early, pair), requestWrites(late, pair)), late, 'because it runs later')
  }
  // Every policy may add its own cookie: set-cookie lines do not replace each other.
  const fields = shared(responseWrites(early), responseWrites(late)).filter((field) => field !== setCookie)
  report(fields, early, 'because responses pass the policies in reverse order')
  return hazards
}

function answeredBeforeAuth(pair: Pair): Hazard | undefined {
  const { early, late } = pair
  if (!early.facts.plugin.manifest.answers || !late.facts.scopes.writes.includes('consumer')) return undefined
  // A policy that reads or writes the consumer is itself part of authentication.
  const { reads, writes } = early.facts.scopes
  if (!bothHave(pair, requestHook(pair)) || reads.includes('consumer') || writes.includes('consumer')) return undefined
  const message = `${who(early)} answers requests before ${who(late)} identifies the caller: every caller gets its responses; put ${quote(late)} before ${quote(early)}${where(early, late)}`
  return { path: late.path, message }
}

const setCookie = 'response.header:set-cookie'

/** The single fields that a policy reads, its trigger included. Reading all headers does not count: no order is wrong for that. */
function readsOf({ facts }: AttachedPolicy): string[] {
  const { reads, when = {} } = facts.scopes
  return [...new Set([...reads, ...compileWhen(when).reads])].filter((scope) => !scope.endsWith(':*'))
}

/** On L4 a policy can write only the upstream. */
function requestWrites({ facts }: AttachedPolicy, { layer }: Pair): string[] {
  return facts.scopes.writes.filter((scope) => (layer === 'L4' ? scope === 'upstream' : !scope.startsWith('response.')))
}

/** What a policy may write in `onResponse`, or in `onRequest` ahead. */
function responseWrites(policy: AttachedPolicy): string[] {
  if (!hasHook(policy, 'onResponse') && !hasHook(policy, 'onRequest')) return []
  const family = hasHook(policy, 'onResponse') ? 'response.' : 'response.header:'
  return policy.facts.scopes.writes.filter((scope) => scope.startsWith(family))
}

/** Fields that both write, by the narrower of the two names. */
function shared(ours: readonly string[], theirs: readonly string[]): string[] {
  const fields = ours.flatMap((our) =>
    theirs.flatMap((their) => (covers(our, their) ? [their] : covers(their, our) ? [our] : [])),
  )
  return [...new Set(fields)]
}

/** A policy that declares `header:*` may write any header, but most likely does not write all of them. */
function verb({ facts }: AttachedPolicy, fields: readonly string[]): 'writes' | 'may write' {
  const sure = fields.every((field) => !field.endsWith(':*') && facts.scopes.writes.includes(field))
  return sure ? 'writes' : 'may write'
}

function bothHave({ early, late }: Pair, hook: HookName): boolean {
  return hasHook(early, hook) && hasHook(late, hook)
}

function hasHook({ facts }: AttachedPolicy, hook: HookName): boolean {
  return facts.plugin.manifest.hooks.includes(hook)
}

function who({ policy, facts }: AttachedPolicy): string {
  return `policy ${JSON.stringify(policy)} (plugin ${facts.plugin.manifest.name})`
}

function quote({ policy }: AttachedPolicy): string {
  return JSON.stringify(policy)
}

/** Says where both are attached, unless they are in the same list. */
function where(early: AttachedPolicy, late: AttachedPolicy): string {
  if (early.level === late.level && early.name === late.name) return ''
  const [one, other] = [early, late].map(({ level, name }) => `${level} ${JSON.stringify(name)}`)
  return ` (it is attached to ${other}, ${quote(early)} to ${one})`
}

function list(fields: readonly string[]): string {
  return fields.length < 2 ? fields.join('') : `${fields.slice(0, -1).join(', ')} and ${fields.at(-1)}`
}
