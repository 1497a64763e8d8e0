import { join } from 'node:path'
import type { Log } from '../telemetry/log.ts'
import { WorkerProcess } from './worker-process.ts'

/** A spare that cannot live must not cost a start per second, ms. */
const restartDelay = 10_000

/**
 * One worker process in addition to those in the slots: started, with all code loaded, but without a configuration. It
 * replaces a worker that dies, because connections should not wait while a new process starts.
 */
export class Spare {
  readonly #folder: string
  readonly #log: Log
  #worker: WorkerProcess | undefined
  #count = 0
  #restart: NodeJS.Timeout | undefined
  #closed = false

  /** @param folder holds the crash slots and the compiled code of the workers. */
  constructor(folder: string, log: Log) {
    this.#folder = folder
    this.#log = log
  }

  /** A worker for a slot: the spare, or else a new one. */
  take(): WorkerProcess {
    const worker = this.#worker ?? this.#start()
    this.#worker = undefined
    worker.off()
    return worker
  }

  /**
   * Starts a spare unless there is one. With `POSTERN_SPARE=0` in the environment it does nothing: most tests of this
   * repository need no spare, and starting one takes a third of a second of CPU time.
   */
  refill(): void {
    clearTimeout(this.#restart)
    if (this.#closed || this.#worker !== undefined || process.env.POSTERN_SPARE === '0') return
    const worker = this.#start()
    this.#worker = worker
    worker.on({
      onMessage: () => {},
      onExit: ({ code, signal }) => {
        if (this.#worker !== worker) return
        this.#worker = undefined
        if (this.#closed) return
        this.#log.warn('spare worker died', { pid: worker.pid, code, signal, restartIn: restartDelay })
        this.#restart = setTimeout(() => this.refill(), restartDelay)
      },
    })
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#restart)
    this.#worker?.kill('SIGKILL')
    this.#worker = undefined
  }

  #start(): WorkerProcess {
    return new WorkerProcess(join(this.#folder, `slot-${++this.#count}`), join(this.#folder, 'cache'))
  }
}
