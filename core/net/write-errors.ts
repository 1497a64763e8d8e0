import type { Socket } from 'node:net'

/**
 * Whether a failed write destroys a socket, as it does in node. A backend that refuses an upload answers and closes the
 * connection, and the answer has often arrived when the next piece of the upload cannot be written: it would be lost. With
 * false the socket only emits `error`, and its owner destroys it.
 */
export function destroyOnWriteError(socket: Socket, on: boolean): void {
  // node has no option for it: it forces the option of streams to true.
  const { _readableState, _writableState } = socket as unknown as Record<string, { autoDestroy: boolean } | undefined>
  if (_readableState !== undefined) _readableState.autoDestroy = on
  if (_writableState !== undefined) _writableState.autoDestroy = on
}
