/** The system may count a thread's CPU time in steps as long as this, ms. */
const tick = 4

/** Begins to measure; the function that it returns says how much CPU time this thread has used since, ms. */
export function measureCpu(): () => number {
  const since = performance.now()
  const before = process.threadCpuUsage()
  return () => {
    const { user, system } = process.threadCpuUsage(before)
    // What takes less than a step is measured by the clock; time for which other processes had the CPU is left out.
    return Math.min(performance.now() - since, (user + system) / 1_000 + tick)
  }
}
