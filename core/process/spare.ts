import { join } from 'node:path'
import { WorkerProcess } from './worker-process.ts'

/**
 * One worker process more than there are slots: started, with everything loaded, but without a configuration. It takes the
 * place of one that dies, because starting takes longer than connections should wait.
 */
export class Spare {
  readonly #folder: string
  #worker: WorkerProcess | undefined
  #count = 0
  #closed = false

  /** @param folder where crash slots and compiled code of the workers are kept. */
  constructor(folder: string) {
    this.#folder = folder
  }

  /** A worker for a slot: the one that stands ready, or a new one. */
  take(): WorkerProcess {
    const worker = this.#worker ?? this.#start()
    this.#worker = undefined
    worker.off()
    return worker
  }

  /**
   * Has one ready from now on. The environment variable `POSTERN_SPARE=0` keeps it from that: most tests of this repository
   * need no spare, and starting one costs them 0.75 s of CPU (measured).
   */
  refill(): void {
    if (this.#closed || this.#worker !== undefined || process.env.POSTERN_SPARE === '0') return
    const worker = this.#start()
    this.#worker = worker
    // One that dies while it waits is started anew when it is wanted.
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
