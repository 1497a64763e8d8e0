/** One reason why a plugin cannot be used. */
export interface BuildProblem {
  /** Where in its sources, when that is known. */
  readonly place: Place | undefined
  /** May contain anything that the plugin's code says, line breaks included. */
  readonly message: string
}

export interface Place {
  /** Relative to the working directory. */
  readonly file: string
  readonly line: number
  readonly column: number
}

/** A plugin cannot be used. The message has the problems one after the other, each as `file:line:column: what is wrong`. */
export class PluginBuildError extends Error {
  override readonly name = 'PluginBuildError'
  readonly problems: readonly BuildProblem[]

  constructor(problems: readonly BuildProblem[]) {
    super(problems.map(problemText).join('\n'))
    this.problems = problems
  }
}

/** A plugin of a group did not start. */
export class StartError extends PluginBuildError {
  /** Index of the plugin in its group. */
  readonly plugin: number
  /** How its module failed. */
  readonly kind: 'time' | 'memory' | 'thrown'

  constructor(plugin: number, kind: 'time' | 'memory' | 'thrown', problem: BuildProblem) {
    super([problem])
    this.plugin = plugin
    this.kind = kind
  }
}

export function problemText({ place, message }: BuildProblem): string {
  return place === undefined ? message : `${placeText(place)}: ${message}`
}

export function placeText({ file, line, column }: Place): string {
  return `${file}:${line}:${column}`
}
