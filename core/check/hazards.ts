import type { HookName } from '../../sdk/points.ts'
import type { Path } from '../config/problem.ts'
import type { Config } from '../config/types.ts'
import { canMeet, covers } from '../hooks/overlap.ts'
import { compileWhen } from '../hooks/when.ts'
import { type AttachedPolicy, findPairs, type Pair } from './chains.ts'
import type { PolicyFacts } from './plugins.ts'

/** Something that the order of two policies makes go wrong, most likely. */
export interface Hazard {
  readonly path: Path
  /** What, and how to mend it. */
  readonly message: string
}

/**
 * What declared scopes tell of the order of policies, each pair of policies once, however many chains hold it.
 *
 * All of it is a warning and none an error: a scope says what a policy may do, not what it does with each request. A
 * limiter may well be meant to see the header that a later policy strips, and what answers preflights belongs before what
 * asks who is calling.
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
  // Only who has this hook reads before the others write; later hooks see what is final.
  if (!bothHave(pair, requestHook(pair))) return undefined
  const read = readsOf(early).filter((scope) => requestWrites(late, pair).some((write) => covers(write, scope)))
  if (read.length === 0) return undefined
  // Who reads what it writes may strip it: then the order may be meant.
  const strips = read.every((scope) => late.facts.scopes.reads.includes(scope))
  const unless = strips ? `, unless ${quote(early)} is to see what the client sent` : ''
  const message = `${who(early)} reads ${list(read)}, which ${who(late)} ${verb(late, read)} later; put ${quote(late)} before ${quote(early)}${where(early, late)}${unless}`
  return { path: early.path, message }
}

/** Responses walk back up: what stands first in the chain writes last. */
function readTooEarlyInResponse(pair: Pair): Hazard | undefined {
  const { early, late } = pair
  if (!bothHave(pair, 'onResponse')) return undefined
  const read = readsOf(late).filter((scope) => responseWrites(early).some((write) => covers(write, scope)))
  if (read.length === 0) return undefined
  const message = `${who(late)} reads ${list(read)}, which ${who(early)} ${verb(early, read)} later, since responses pass the policies in reverse; put ${quote(late)} before ${quote(early)}${where(early, late)}`
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
    const message = `${who(early)} and ${who(late)} both ${may} ${list(fields)}; the last word has ${quote(winner)}, ${why}; keep one of them, or swap them for ${quote(loser)} to win`
    hazards.push({ path: late.path, message })
  }
  if (bothHave(pair, requestHook(pair))) {
    report(shared(requestWrites(early, pair), requestWrites(late, pair)), late, 'which runs later')
  }
  if (bothHave(pair, 'onResponse')) {
    // Every policy may add a cookie of its own: such lines stand beside each other.
    const fields = shared(responseWrites(early), responseWrites(late)).filter((field) => field !== setCookie)
    report(fields, early, 'since responses pass the policies in reverse')
  }
  return hazards
}

function answeredBeforeAuth(pair: Pair): Hazard | undefined {
  const { early, late } = pair
  if (!early.facts.plugin.manifest.answers || !late.facts.scopes.writes.includes('consumer')) return undefined
  // What looks at the consumer, or names it, is about who is calling itself.
  const { reads, writes } = early.facts.scopes
  if (!bothHave(pair, requestHook(pair)) || reads.includes('consumer') || writes.includes('consumer')) return undefined
  const message = `${who(early)} answers requests before ${who(late)} finds out who is calling: its answers go to everyone; put ${quote(late)} before ${quote(early)}${where(early, late)}`
  return { path: late.path, message }
}

const setCookie = 'response.header:set-cookie'

/** What a policy looks at in particular, its trigger included. Who takes every header asks for none of them: no order is wrong for it. */
function readsOf({ facts }: AttachedPolicy): string[] {
  const { reads, when = {} } = facts.scopes
  return [...new Set([...reads, ...compileWhen(when).reads])].filter((scope) => !scope.endsWith(':*'))
}

/** On L4 there is nothing to write but the upstream. */
function requestWrites({ facts }: AttachedPolicy, { layer }: Pair): string[] {
  return facts.scopes.writes.filter((scope) => (layer === 'L4' ? scope === 'upstream' : !scope.startsWith('response.')))
}

function responseWrites({ facts }: AttachedPolicy): string[] {
  return facts.scopes.writes.filter((scope) => scope.startsWith('response.'))
}

/** Fields that both write, by the narrower of their two names. */
function shared(ours: readonly string[], theirs: readonly string[]): string[] {
  const fields = ours.flatMap((our) =>
    theirs.flatMap((their) => (covers(our, their) ? [their] : covers(their, our) ? [our] : [])),
  )
  return [...new Set(fields)]
}

/** Who declares `header:*` may write any header, and most likely does not write all of them. */
function verb({ facts }: AttachedPolicy, fields: readonly string[]): 'writes' | 'may write' {
  const sure = fields.every((field) => !field.endsWith(':*') && facts.scopes.writes.includes(field))
  return sure ? 'writes' : 'may write'
}

function bothHave({ early, late }: Pair, hook: HookName): boolean {
  return [early, late].every(({ facts }) => facts.plugin.manifest.hooks.includes(hook))
}

function who({ policy, facts }: AttachedPolicy): string {
  return `policy ${JSON.stringify(policy)} (plugin ${facts.plugin.manifest.name})`
}

function quote({ policy }: AttachedPolicy): string {
  return JSON.stringify(policy)
}

/** In one list moving a line is all; between two places it takes a word more. */
function where(early: AttachedPolicy, late: AttachedPolicy): string {
  if (early.place === late.place && early.name === late.name) return ''
  const [one, other] = [early, late].map(({ place, name }) => `${place} ${JSON.stringify(name)}`)
  return ` (it is attached to ${other}, ${quote(early)} to ${one})`
}

function list(fields: readonly string[]): string {
  return fields.length < 2 ? fields.join('') : `${fields.slice(0, -1).join(', ')} and ${fields.at(-1)}`
}
