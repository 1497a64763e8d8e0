/** A plugin that cannot be used; each line of the message is a problem, with `file:line:column: ` where it is known. */
export class PluginBuildError extends Error {
  override readonly name = 'PluginBuildError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}
