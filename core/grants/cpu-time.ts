/** CPU time used so far, ms. */
export interface CpuTime {
  /** By this thread. */
  readonly thread: number
  /** By all threads of the process. */
  readonly process: number
}

/**
 * Reads both, in 2 µs. The order matters: Linux brings a running thread's time up to date for the sum of all threads,
 * not when asked for the thread alone, whose time may then be a tick of its scheduler (1 to 4 ms) old.
 */
export function readCpuTime(): CpuTime {
  const all = process.cpuUsage()
  const own = process.threadCpuUsage()
  return { thread: (own.user + own.system) / 1_000, process: (all.user + all.system) / 1_000 }
}

/** Begins to measure; the function that it returns says how much CPU time this thread has used since, ms. */
export function measureCpu(): () => number {
  const before = readCpuTime().thread
  return () => readCpuTime().thread - before
}
