import { PluginBuildError } from './plugin-build-error.ts'

/** A plugin of a group did not start. */
export class StartError extends PluginBuildError {
  /** Its index in the group. */
  readonly plugin: number

  constructor(plugin: number, problem: string) {
    super([problem])
    this.plugin = plugin
  }
}
