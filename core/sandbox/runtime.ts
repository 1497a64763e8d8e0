import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'

/** The two scripts of ours that run inside isolates, bundled once per process from the sources in `guest/`. */
export interface Runtime {
  /** Function body: prepares a realm for a plugin, `$0` being the callback for records; returns a `Realm`. */
  readonly realm: string
  /** Function body: makes the dispatcher from the progress of the guard, or nothing, and the `enter` functions; returns a `Dispatcher`. */
  readonly dispatcher: string
}

let built: Runtime | undefined

/** Another process has bundled them already. */
export function adoptRuntime(ready: Runtime): void {
  built ??= ready
}

export function runtime(): Runtime {
  built ??= {
    realm: bundle('main', 'return __guest.openRealm($0)'),
    dispatcher: bundle('dispatcher', 'return __guest.openDispatcher(...arguments)'),
  }
  return built
}

/** Strict code throughout: a sloppy function would show a plugin its caller. */
function bundle(name: string, result: string): string {
  // From the sources the file is .ts, from a build .js.
  const file = fileURLToPath(new URL(`./guest/${name}${extname(import.meta.url)}`, import.meta.url))
  const { outputFiles } = buildSync({
    entryPoints: [file],
    bundle: true,
    write: false,
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
  return outputFiles[0]!.text
}
