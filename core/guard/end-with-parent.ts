import { Worker } from 'node:worker_threads'

/** Between two looks at the parent, ms. */
const interval = 500

const watch = `
  const { rmSync } = require('node:fs')
  const { parent, folder } = require('node:worker_threads').workerData
  setInterval(() => {
    if (process.ppid === parent) return
    try {
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
    } finally {
      process.kill(process.pid, 'SIGKILL')
    }
  }, ${interval})`

/**
 * Ends this process soon after the one that has started it. A thread of its own looks, because code of a plugin may keep
 * the main thread for ever, and then nothing else notices that the channel is closed.
 *
 * @param folder temporary files of the parent, which are removed then. Default: none.
 */
export function endWithParent(folder?: string): void {
  const workerData = { parent: process.ppid, folder }
  new Worker(watch, { eval: true, execArgv: [], workerData, resourceLimits: { maxOldGenerationSizeMb: 16 } }).unref()
}
