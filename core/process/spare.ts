import { join } from 'node:path'
import { WorkerProcess } from './worker-process.ts'

/**
 * One worker process in addition to those in the slots: started, with all code loaded, but without a configuration. It
 * replaces a worker that dies, because connections should not wait while a new process starts.
 */
export class Spare {
  readonly #folder: string
  #worker: WorkerProcess | undefined
  #count = 0
  #closed = false

  /** @param folder holds the crash slots and the compiled code of the workers. */
  constructor(folder: string) {
    this.#folder = folder
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
    if (this.#closed || this.#worker !== undefined || process.env.POSTERN_SPARE === '0') return
    const worker = this.#start()
    this.#worker = worker
    // A spare that dies is not replaced until the next `refill` or `take`.
    worker.on({
      onMessage: () => {},
      onExit: () => {
        if (this.#worker === worker) this.#worker = undefined
      },
    })
  }

  close(): void {
    this.#closed = true
    this.#worker?.kill('SIGKILL')
    this.#worker = undefined
  }

  #start(): WorkerProcess {
    return new WorkerProcess(join(this.#folder, `slot-${++this.#count}`), join(this.#folder, 'cache'))
  }
}
