import { startBackend } from './backend.ts'
import { compare } from './comparisons.ts'
import { Fleet } from './fleet.ts'
import { hasCommand } from './installed.ts'
import { Lab } from './lab.ts'
import { hasWrk } from './load/generate.ts'
import { describeMachine } from './machine.ts'
import type { BenchOptions } from './options.ts'
import { postern, posternAt } from './peers/postern.ts'
import type { Results, Table } from './results.ts'
import type { Bench, Scenario } from './scenarios/scenario.ts'
import { scenariosOf } from './scenarios/scenarios.ts'
import type { Subject } from './subject.ts'

export interface Run {
  readonly options: BenchOptions
  /** For the results: how to get them again. */
  readonly command: string
  /** Progress. */
  readonly say: (line: string) => void
  /** Ends everything that was started, when the run is to stop early. */
  readonly signal?: AbortSignal
}

/**
 * Measures all subjects in all scenarios that the options name. Whatever it has started has ended when it settles.
 *
 * @throws {Error} when a scenario is unknown, or a subject does not do what it is measured for.
 */
export async function runBench({ options, command, say, signal }: Run): Promise<Results> {
  const scenarios = chosen(options)
  const machine = describeMachine()
  const lab = new Lab()
  const abort = (): void => void lab.close()
  signal?.addEventListener('abort', abort)
  try {
    const backend = await startBackend(lab)
    const fleet = new Fleet(lab, backend)
    const bench: Bench = { lab, fleet, effort: options.effort, backendPort: backend.stable, say }
    const tables: Table[] = []
    for (const scenario of scenarios) {
      signal?.throwIfAborted()
      if (scenario.missing?.() !== undefined) continue
      const wanted = scenario.subjects.filter((subject) => isWanted(subject, options) && !subject.peer.missing())
      const measured = wanted.flatMap((subject) => [subject, ...earlier(subject, options)])
      if (measured.length > 0) tables.push(...(await scenario.run(bench, measured)))
    }
    const all = new Set(scenarios.flatMap(({ subjects }) => subjects).filter((subject) => isWanted(subject, options)))
    return {
      date: new Date().toISOString(),
      command,
      machine,
      versions: versionsOf([...all]),
      missing: [...missingOf([...all]), ...missingScenarios(scenarios)],
      notes: notesOf(lab),
      tables,
      comparisons: compare(tables),
    }
  } catch (error) {
    // What fails when everything is ended is not why it ends.
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', abort)
    await lab.close()
  }
}

function chosen({ only, effort }: BenchOptions): Scenario[] {
  const all = scenariosOf(effort.quick)
  const names = all.map(({ name }) => name)
  const unknown = only?.find((name) => !names.includes(name))
  if (unknown !== undefined) throw new Error(`there is no scenario "${unknown}"; there are ${names.join(', ')}`)
  return all.filter(({ name }) => only === undefined || only.includes(name))
}

function isWanted({ name }: Subject, { subjects }: BenchOptions): boolean {
  return subjects === undefined || subjects.some((start) => name.startsWith(start))
}

/** The same of an earlier checkout, where one is named. */
function earlier(subject: Subject, { before }: BenchOptions): Subject[] {
  if (before === undefined || subject.peer !== postern) return []
  return [{ ...subject, name: `${subject.name} before`, peer: posternAt(before, 'postern before') }]
}

function versionsOf(subjects: readonly Subject[]): Record<string, string> {
  const here = subjects.map(({ peer }) => peer).filter((peer) => peer.missing() === undefined)
  return { node: process.versions.node, ...Object.fromEntries(here.map((peer) => [peer.name, peer.version()])) }
}

function missingOf(subjects: readonly Subject[]): string[] {
  const lines = subjects.map(({ peer }) => {
    const missing = peer.missing()
    return missing === undefined ? undefined : `${peer.name} (needs ${missing})`
  })
  return [...new Set(lines)].filter((line) => line !== undefined)
}

function missingScenarios(scenarios: readonly Scenario[]): string[] {
  return scenarios.flatMap((scenario) => {
    const missing = scenario.missing?.()
    return missing === undefined ? [] : [`scenario ${scenario.name} (needs ${missing})`]
  })
}

function notesOf({ pinning }: Lab): string[] {
  return [
    pinning === undefined
      ? 'nothing is pinned: proxies, load and backend share all cores'
      : `proxies on core ${pinning.proxy} (with 2 workers: ${pinning.wide}), load and backend on ${pinning.load}`,
    hasWrk() ? 'load by wrk' : 'wrk is missing: load by a generator in Node, which is slower',
    ...(hasCommand('nginx') ? [] : ['nginx is missing: the backend is a server in Node, and there are no ratios']),
  ]
}
