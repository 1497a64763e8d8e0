import { rmSync } from 'node:fs'

/** Signals that reach all processes of a terminal or a group. The supervisor alone acts on them. */
const forSupervisor = ['SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const

/**
 * Prepares this process for life under a supervisor: it has a name for `ps`, ignores signals that are meant for the
 * supervisor, and ends with it, because nothing else could reload or end it.
 *
 * @param folder the supervisor's folder of temporary files, which is removed when the supervisor is gone.
 * @param onOrphaned called before this process ends because the supervisor is gone. It may take a second.
 */
export function beChild(name: string, folder: string | undefined, onOrphaned: () => Promise<unknown>): void {
  process.title = `postern: ${name}`
  for (const signal of forSupervisor) process.on(signal, () => {})
  const end = async (): Promise<void> => {
    await onOrphaned()
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
    // An ordinary exit would write compiled code into that folder again.
    process.kill(process.pid, 'SIGKILL')
  }
  process.once('disconnect', () => void end())
  // The supervisor may have gone while the modules were loaded.
  if (!process.connected) void end()
}
