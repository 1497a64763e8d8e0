/** Ticks of a timer. */
const ticks = 10

/**
 * Runs `run` once, `ms` later or, in a process that was stopped, when it has run for about so long: a timer of Node that is due when a stopped process goes on
 * fires at once, before anything is read that has arrived meanwhile. This one counts ticks, a tenth of the time each.
 *
 * @returns cancels it. It does not keep the process alive.
 */
export function afterTicks(ms: number, run: () => void): () => void {
  let left = ticks
  const timer = setInterval(
    () => {
      if (--left > 0) return
      clearInterval(timer)
      run()
    },
    Math.ceil(ms / ticks),
  ).unref()
  return () => clearInterval(timer)
}
