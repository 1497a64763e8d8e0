import { once } from 'node:events'
import { join } from 'node:path'
import { hasCommand } from '../installed.ts'
import type { Lab } from '../lab.ts'
import { runH2load } from './h2load.ts'
import type { Load, LoadResult } from './load.ts'
import { outputOf } from './output.ts'
import { runWrk } from './wrk.ts'

const generator = join(import.meta.dirname, 'generator.ts')

let wrk: boolean | undefined

export function hasWrk(): boolean {
  wrk ??= hasCommand('wrk')
  return wrk
}

/** What is not installed, of what gives load over HTTP/2. */
export function missingH2load(): string | undefined {
  return hasCommand('h2load') ? undefined : 'h2load'
}

/** As much load as the proxy takes. By wrk, where it is installed; it knows no part of a second. */
export async function saturate(lab: Lab, load: Load): Promise<LoadResult> {
  if (load.streams !== undefined) return runH2load(lab, load)
  if (load.datagrams) return run(lab, 'datagrams', load)
  if (load.proxyHeader !== undefined) return run(lab, 'closed', load)
  if (load.echo) return run(lab, 'echo', load)
  // Whether wrk resumes a session is left to its version of OpenSSL.
  if (load.tls !== undefined && load.close) return run(lab, 'closed', load)
  if (hasWrk() && load.seconds >= 1) return runWrk(lab, load)
  return run(lab, 'closed', load)
}

/** What the generator of `pace` can do at most, at a closed loop. */
export function generatorLimit(lab: Lab, load: Load): Promise<LoadResult> {
  return run(lab, 'closed', load)
}

/** `rate` requests a second. */
export function pace(lab: Lab, load: Load & { readonly rate: number }): Promise<LoadResult> {
  return run(lab, 'open', load)
}

/** Connections that have had one answer and wait; `close` lets go of them. */
export async function holdIdle(lab: Lab, load: Load): Promise<{ count: number; close(): Promise<void> }> {
  const child = lab.load([process.execPath, generator, 'idle', JSON.stringify(load)])
  const ended = outputOf(child)
  // Whether it ends before it has said how many, or after.
  const line = await Promise.race([once(child.stdout!, 'data'), ended])
  return {
    count: Number(`${line}`),
    close: async () => {
      child.stdin?.end()
      await ended
    },
  }
}

async function run(lab: Lab, mode: string, load: Load): Promise<LoadResult> {
  return JSON.parse(await outputOf(lab.load([process.execPath, generator, mode, JSON.stringify(load)]))) as LoadResult
}
