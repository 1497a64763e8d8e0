import { SourceMap } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { bounds } from './bounds.ts'
import { remedyFor } from './missing-globals.ts'
import { type BuildProblem, type Place, placeText } from './plugin-build-error.ts'

/**
 * File name of a plugin's script. Stack frames with another file name belong to Postern and are left out.
 *
 * @param plugin its index in its group, where it runs beside others. Default: it runs alone.
 */
export function scriptName(plugin?: number): string {
  return plugin === undefined ? 'plugin://bundle.js' : `plugin://${plugin}/bundle.js`
}

/**
 * The index of the plugin whose code an error comes from, as its stack says. A plugin can write another stack, so this is
 * good for a message, and not for a penalty.
 */
export function sourceOf({ stack }: Thrown): number | undefined {
  const found = frame.exec(stack)?.[1]
  return found === undefined ? undefined : Number(found)
}

/** What is needed to map a position in the script to the sources. */
export interface Origin {
  /** Absolute path of the plugin's entry file. */
  readonly file: string
  readonly map: string
}

export interface Thrown {
  readonly kind: string
  readonly message: string
  readonly stack: string
}

const frame = /plugin:\/\/(?:(\d+)\/)?bundle\.js:(\d+):(\d+)/
const maps = new WeakMap<Origin, SourceMap | undefined>()

/**
 * An error as logged: what was thrown, and where in the plugin's sources, as `file:line:column` relative to the working
 * directory.
 */
export function describeThrown(thrown: Thrown, origin: Origin): string {
  let text = headline(thrown)
  let left: number = bounds.thrown.lines
  for (const line of thrown.stack.split('\n')) {
    const found = frame.exec(line)
    const place = found && placeOf(origin, found)
    if (!place) continue
    text += `\n${line.replace(found[0], () => placeText(place))}`
    if (--left === 0) break
  }
  return text
}

/** An error as a build reports it. */
export function locateThrown(thrown: Thrown, origin: Origin): BuildProblem {
  const message = headline(thrown)
  for (const line of thrown.stack.split('\n')) {
    const found = frame.exec(line)
    const place = found && placeOf(origin, found)
    if (place) return { place, message }
  }
  return { place: startOf(origin.file), message }
}

/** The start of a file, for what is wrong with it as a whole. */
export function startOf(file: string): Place {
  return { file: relative(process.cwd(), file), line: 1, column: 1 }
}

function headline({ kind, message }: Thrown): string {
  const remedy = remedyFor(kind, message)
  const text = remedy === undefined ? message : `${message}: ${remedy}`
  return kind === '' ? text : `${kind}: ${text}`
}

/** The place in the sources, relative to the working directory, of a match of `frame`. */
function placeOf(origin: Origin, [, , line, column]: RegExpExecArray): Place | undefined {
  let map = maps.get(origin)
  if (map === undefined) {
    map = new SourceMap(JSON.parse(origin.map))
    maps.set(origin, map)
  }
  const entry = map.findEntry(Number(line) - 1, Number(column) - 1)
  if (!('originalSource' in entry)) return undefined
  const file = relative(process.cwd(), join(dirname(origin.file), entry.originalSource))
  return { file, line: entry.originalLine + 1, column: entry.originalColumn + 1 }
}
