import { chmodSync, existsSync, lstatSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { getSystemErrorName } from 'node:util'
import { bindingOf } from './tcp-binding.ts'

/** A bound Unix socket: any number of processes may accept connections on it. */
export interface UnixHandle {
  listen(backlog: number): number
  /** The one that has bound it also removes its path. */
  close(): void
}

interface PipeModule {
  readonly Pipe: { new (type: number): UnixHandle & { bind(path: string): number } }
  readonly constants: { readonly SERVER: number }
}

/**
 * Binds a Unix socket and does not listen on it. Node's servers can only do both, and the supervisor that binds it must not accept
 * what is for its workers.
 *
 * @param mode of its path: who may connect needs the right to write
 * @throws an error of the system
 */
export function bindUnix(path: string, mode: number): UnixHandle {
  const pipes = bindingOf<PipeModule>('pipe_wrap')
  if (pipes === undefined) throw new Error('this node does not let a process bind a Unix socket for others')
  const { Pipe, constants } = pipes
  const handle = new Pipe(constants.SERVER)
  // No other user may connect in between.
  const before = process.umask(0o777 & ~mode)
  try {
    const status = handle.bind(path)
    if (status !== 0) throw bindProblem(getSystemErrorName(status), path)
    chmodSync(path, mode)
  } catch (error) {
    handle.close()
    throw error
  } finally {
    process.umask(before)
  }
  return handle
}

/**
 * Changes who may connect to a socket that is bound, and leaves what has taken its path since.
 *
 * @throws an error of the system
 */
export function permitUnix(path: string, mode: number): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true) chmodSync(path, mode)
}

/**
 * Removes the path of a Unix socket that a process has left behind: one that does not answer. What is not a socket stays, and so
 * does one that answers, or whose owner may only be slow: binding it then fails.
 */
export async function removeStale(path: string): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return
  const code = await new Promise<string | undefined>((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => socket.destroy())
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code))
    socket.once('close', () => resolve(undefined))
  })
  if (code === 'ECONNREFUSED') unlinkSync(path)
}

/** Of a folder that does not exist libuv says that permission is denied, and of a file that is not a socket that it is in use. */
function bindProblem(said: string, path: string): NodeJS.ErrnoException {
  let code = said
  if (!existsSync(dirname(path))) code = 'ENOENT'
  else if (said === 'EADDRINUSE' && lstatSync(path, { throwIfNoEntry: false })?.isSocket() === false) code = 'ENOTSOCK'
  return Object.assign(new Error(`bind ${code} ${path}`), { code, syscall: 'bind' })
}
