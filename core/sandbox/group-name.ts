/** Where a plugin runs, as configured. */
export interface Isolation {
  /** Plugins that name the same group share an isolate. */
  readonly group?: string
  /** `plugin`: an isolate of its own. Default: `group`. */
  readonly isolation?: 'group' | 'plugin'
}

/**
 * The trust group of a plugin. Plugins that share an isolate can disturb each other, so by default only plugins of the
 * same publisher share one. The name of a publisher contains no colon, so it never equals the name of a configured
 * group.
 *
 * @param name the plugin's name in the configuration.
 */
export function groupOf(name: string, publisher: string, { group, isolation }: Isolation = {}): string {
  if (isolation === 'plugin') return `plugin:${name}`
  return group === undefined ? publisher : `group:${group}`
}
