/** A plugin cannot be used. Each line of the message is one problem, with `file:line:column: ` where it is known. */
export class PluginBuildError extends Error {
  override readonly name = 'PluginBuildError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}

/** A plugin of a group did not start. */
export class StartError extends PluginBuildError {
  /** Index of the plugin in its group. */
  readonly plugin: number

  constructor(plugin: number, problem: string) {
    super([problem])
    this.plugin = plugin
  }
}
