import type { Socket } from 'node:net'
import { type OutcomeCode, PosternError } from '../errors.ts'

export interface PipeOptions {
  /** Longest time without a byte in either direction, ms. */
  readonly idle: number
  /** Called exactly once, when both sockets are closed and without listeners; never before `pipe` has returned. */
  readonly onEnd: (result: PipeResult) => void
}

export interface PipeResult {
  /** From the client. */
  readonly bytesIn: number
  /** From the backend. */
  readonly bytesOut: number
  /** Why it did not end well: DC (client reset), UR (backend reset), SI (idle), SD (closed here). */
  readonly error: PosternError | undefined
  readonly outcome: OutcomeCode | undefined
}

export interface Pipe {
  /** Resets both sides: the deadline of a drain has come. */
  close(): void
}

/**
 * Forwards bytes between two connected sockets that allow half-open and have no listeners of others. A side that reads
 * slowly slows the other down; the end of one direction is passed on and leaves the other open. Whatever cuts a
 * connection short resets both sides, for a plain end would make a truncated answer look complete.
 *
 * The client may have been paused since it was accepted: what it sent meanwhile comes first.
 */
export function pipe(client: Socket, backend: Socket, options: PipeOptions): Pipe {
  const { idle } = options
  const timer = setTimeout(() => fail('SI', `no bytes in either direction for ${idle} ms`), idle)
  let bytesIn = 0
  let bytesOut = 0
  let open = 2
  let error: PosternError | undefined

  function fail(code: OutcomeCode, message: string, cause?: Error): void {
    if (error !== undefined || open === 0) return
    error = new PosternError(code, message, { cause })
    reset(client)
    reset(backend)
  }
  function closed(): void {
    if (--open > 0) return
    clearTimeout(timer)
    releaseClient()
    releaseBackend()
    options.onEnd({ bytesIn, bytesOut, error, outcome: error?.code })
  }

  const releaseClient = forward(client, backend, {
    moved(bytes) {
      bytesIn += bytes
      timer.refresh()
    },
    broken: (cause) => fail('DC', `client connection broke: ${describe(cause)}`, cause),
    closed,
  })
  const releaseBackend = forward(backend, client, {
    moved(bytes) {
      bytesOut += bytes
      timer.refresh()
    },
    broken: (cause) => fail('UR', `backend connection broke: ${describe(cause)}`, cause),
    closed,
  })
  client.resume()
  backend.resume()
  return { close: () => fail('SD', 'closed by the gateway') }
}

interface Events {
  /** So many bytes came from the source, or (0) the sink took what was waiting for it. */
  moved(bytes: number): void
  /** The source failed, or was closed before both its directions had ended. */
  broken(cause: Error | undefined): void
  /** The last event of the source. */
  closed(): void
}

/** One direction, and all events of its source; the result removes the listeners. */
function forward(source: Socket, sink: Socket, events: Events): () => void {
  let over = false

  function onData(chunk: Buffer): void {
    events.moved(chunk.length)
    if (!sink.write(chunk)) source.pause()
  }
  function onDrain(): void {
    events.moved(0)
    source.resume()
  }
  function onEnd(): void {
    sink.end()
  }
  function onClose(): void {
    if (over) return
    over = true
    if (!source.readableEnded || !source.writableFinished) events.broken(source.errored ?? undefined)
    events.closed()
  }
  source.on('data', onData)
  source.on('end', onEnd)
  source.on('error', events.broken)
  source.on('close', onClose)
  sink.on('drain', onDrain)
  // Either may have happened before there were listeners.
  if (source.destroyed) setImmediate(onClose)
  else if (source.readableEnded) sink.end()

  return () => {
    source.off('data', onData)
    source.off('end', onEnd)
    source.off('error', events.broken)
    source.off('close', onClose)
    sink.off('drain', onDrain)
  }
}

function reset(socket: Socket): void {
  if (socket.destroyed) return
  // While a FIN is on its way the system refuses a reset, and node then never closes the socket. Everything has been
  // handed over by then, so closing it truncates nothing.
  const ending = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0
  if (ending) socket.destroy()
  else socket.resetAndDestroy()
}

function describe(cause: Error | undefined): string {
  return (cause as NodeJS.ErrnoException | undefined)?.code ?? cause?.message ?? 'closed early'
}
