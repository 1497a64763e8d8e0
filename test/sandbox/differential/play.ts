import type { Cast } from './cast.ts'
import { cancelled, live, type Trace } from './life.ts'
import type { FlowScript } from './script.ts'

/** All that can be seen of a flow, and what its policies asked of the grants. */
export interface Outcome {
  readonly trace: Trace
  readonly notes: readonly string[]
  readonly asked: readonly string[]
  /** What is left of the counters that its policies may have taken from. */
  readonly left: readonly string[]
}

/**
 * Runs flows that begin together.
 *
 * @param name begins their identifiers.
 * @param patience for each flow, turns of the event loop after which it is cancelled. Default: none is.
 */
export async function play(
  cast: Cast,
  name: string,
  scripts: readonly FlowScript[],
  patience: readonly number[] = [],
): Promise<Outcome[]> {
  const ids = scripts.map((_script, i) => `${name}-${i}`)
  const traces = await Promise.all(scripts.map((script, i) => live(cast, ids[i]!, script, patience[i])))
  const left = await Promise.all(scripts.map((script, i) => countersOf(cast, ids[i]!, script)))
  return ids.map((id, i) => {
    const [notes = [], asked = []] = [cast.notes.get(id), cast.asked.get(id)]
    cast.notes.delete(id)
    cast.asked.delete(id)
    // What a hook asks for at once is performed in the order in which it can be.
    return { trace: traces[i]!, notes, asked: asked.toSorted(), left: left[i]! }
  })
}

function countersOf({ grants, chains }: Cast, id: string, { line, acts }: FlowScript): Promise<string[]> {
  const { labels } = chains[line]!
  const takes = acts.filter(({ op: [code] }) => code.startsWith('take ') || code === 'take')
  const looks = takes.map(async ({ at, op: [, key, points] }) => {
    const policy = `p${labels[at % labels.length]}`
    const args = [`${id} ${key}`, String(points), '86400', '0']
    const look = {
      operation: 'counter.take',
      args,
      policy,
      request: id,
      plugin,
      origins: [],
      signal,
      hold,
      spend: hold,
    }
    try {
      const [, remaining] = await grants.perform(look)
      return `${policy} ${key} ${points} ${remaining}`
    } catch (error) {
      return String(error)
    }
  })
  return Promise.all(looks)
}

const plugin = { name: 'look', publisher: 'look', hash: '' }
const { signal } = new AbortController()
const hold = (): void => {}

/**
 * What the statistics say in the end, without times and numbers of crossings, which depend on the machine. Whose promise was rejected is known only when
 * nobody else was in the crossing.
 */
export function countsOf({ sandbox }: Cast): unknown {
  return sandbox.stats().map(({ plugin, group, policies }) => {
    const counts = policies.map((policy) => {
      const { time: _time, batches: _batches, operations: _operations, rejections: _rejections, ...all } = policy
      return all
    })
    return { plugin, group, counts }
  })
}

/**
 * A flow that was cancelled has come as far as it has come, and then nothing more is told than its end. Up to there it is
 * the beginning of the flow that had all the time that it wanted.
 */
export function untilCancelled({ trace }: Outcome, whole: Outcome): { found: Outcome; expected: Outcome } {
  const at = trace.indexOf(cancelled)
  const rest = at === -1 ? [] : trace.slice(at + 1)
  const isOver = rest.every((event) => /^\["(?:onClose|end)"/.test(event))
  const found = trace.slice(0, at === -1 ? trace.length : at)
  const length = Math.min(found.length, whole.trace.length)
  return {
    found: { trace: [...found.slice(0, length), ...(isOver ? [] : rest)], notes: [], asked: [], left: [] },
    expected: { trace: whole.trace.slice(0, length), notes: [], asked: [], left: [] },
  }
}

/**
 * The events of the sandbox in the order of the alphabet, without those that depend on what happens at the same time: an
 * undeclared read is lost with the result of a policy whose turn does not come, which may also write until it is dropped.
 */
export function faultsOf({ events }: Cast): string[] {
  return events.filter((event) => !/^(?:undeclared|late|rejection|replaced) /.test(event)).toSorted()
}
