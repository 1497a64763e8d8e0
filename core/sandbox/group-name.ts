/** What the configuration says of where a plugin runs. */
export interface Isolation {
  /** Plugins that name the same group share an isolate. */
  readonly group?: string
  /** `plugin`: an isolate of its own. Default: `group`. */
  readonly isolation?: 'group' | 'plugin'
}

/**
 * The trust group of a plugin: who shares an isolate may disturb each other, so by default only what comes from the same
 * publisher does. No publisher's name holds a colon, so no group that was named meets one that was not.
 *
 * @param name the plugin's name in the configuration.
 */
export function groupOf(name: string, publisher: string, { group, isolation }: Isolation = {}): string {
  if (isolation === 'plugin') return `plugin:${name}`
  return group === undefined ? publisher : `group:${group}`
}
