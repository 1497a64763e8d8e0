import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from './bundler.ts'

/** Postern's two scripts that run inside isolates, bundled from the sources in `guest/` once per process. */
export interface Runtime {
  /** Function body: prepares a realm for a plugin. `$0` is the callback for records, `$1` the one for lines of `console`. Returns a `Realm`. */
  readonly realm: string
  /**
   * Function body: makes the dispatcher. Its arguments are those of `openDispatcher` in `guest/dispatcher.ts`. Returns a
   * `Dispatcher`.
   */
  readonly dispatcher: string
}

let built: Runtime | undefined

/** Uses the scripts that another process has bundled, unless this one has its own already. */
export function adoptRuntime(ready: Runtime): void {
  built ??= ready
}

export function runtime(): Runtime {
  built ??= {
    realm: bundle('main', 'return __guest.openRealm($0, $1)'),
    dispatcher: bundle('dispatcher', 'return __guest.openDispatcher(...arguments)'),
  }
  return built
}

/** Strict code throughout: a sloppy function would show a plugin its caller. */
function bundle(name: string, result: string): string {
  // The sources have .ts files, a build has .js files.
  const file = fileURLToPath(new URL(`./guest/${name}${extname(import.meta.url)}`, import.meta.url))
  const [output] = buildSync({
    entryPoints: [file],
    bundle: true,
    format: 'iife',
    globalName: '__guest',
    target: 'esnext',
    platform: 'neutral',
    banner: { js: '"use strict";' },
    footer: { js: result },
    legalComments: 'none',
    tsconfigRaw: '{}',
    logLevel: 'silent',
  })
  return output!.text
}
