import { SourceMap } from 'node:module'
import { dirname, join, relative } from 'node:path'

/** File name of every plugin's script. Stack frames with another file name belong to Postern and are left out. */
export const bundleName = 'plugin://bundle.js'

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

const frame = /plugin:\/\/bundle\.js:(\d+):(\d+)/
const maps = new WeakMap<Origin, SourceMap | undefined>()

/** An error as logged: what was thrown, and where in the plugin's sources (`plugin://name/…`). */
export function describeThrown(thrown: Thrown, name: string, origin: Origin): string {
  let text = headline(thrown)
  for (const line of thrown.stack.split('\n')) {
    const found = frame.exec(line)
    const position = found && locate(origin, Number(found[1]), Number(found[2]))
    if (found && position)
      text += `\n${line.replace(found[0], `plugin://${name}/${position.source}:${position.line}:${position.column}`)}`
  }
  return text
}

/** An error as a build reports it: `file:line:column: message`, the file relative to the working directory. */
export function locateThrown(thrown: Thrown, origin: Origin): string {
  for (const line of thrown.stack.split('\n')) {
    const found = frame.exec(line)
    const position = found && locate(origin, Number(found[1]), Number(found[2]))
    if (!position) continue
    const file = relative(process.cwd(), join(dirname(origin.file), position.source))
    return `${file}:${position.line}:${position.column}: ${headline(thrown)}`
  }
  return `${relative(process.cwd(), origin.file)}:1:1: ${headline(thrown)}`
}

function headline({ kind, message }: Thrown): string {
  return kind === '' ? message : `${kind}: ${message}`
}

function locate(
  origin: Origin,
  line: number,
  column: number,
): { source: string; line: number; column: number } | undefined {
  let map = maps.get(origin)
  if (map === undefined) {
    map = new SourceMap(JSON.parse(origin.map))
    maps.set(origin, map)
  }
  const entry = map.findEntry(line - 1, column - 1)
  if (!('originalSource' in entry)) return undefined
  return { source: entry.originalSource, line: entry.originalLine + 1, column: entry.originalColumn + 1 }
}
