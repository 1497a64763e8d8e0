import { Worker } from 'node:worker_threads'

/** Between two looks at the parent, ms. */
const interval = 500

const watch = `
  const parent = process.ppid
  setInterval(() => process.ppid !== parent && process.kill(process.pid, 'SIGKILL'), ${interval})`

/**
 * Ends this process soon after the one that has started it. A thread of its own looks, because code of a plugin may keep
 * the main thread for ever, and then nothing else notices that the channel is closed.
 */
export function endWithParent(): void {
  new Worker(watch, { eval: true, execArgv: [], resourceLimits: { maxOldGenerationSizeMb: 16 } }).unref()
}
