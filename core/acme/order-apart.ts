import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { AcmeProblem } from './acme-problem.ts'
import type { Bundle } from './issued-certificate.ts'
import type { FromOrder } from './order-thread.ts'
import type { OrderJob } from './renewals.ts'

/**
 * Orders a certificate in a thread that ends with the order. To load acme-client takes half a second of CPU time, for which
 * all traffic of the worker would wait; the thread also frees its memory, and can be ended at any time.
 *
 * @throws {AcmeProblem} when the CA refuses it, cannot be reached, or does not find the names here.
 */
export async function orderApart({ config, log, challenge, signal }: OrderJob): Promise<Bundle> {
  signal.throwIfAborted()
  // The sources have .ts files, a build has .js files.
  const file = new URL(`./order-thread${extname(import.meta.url)}`, import.meta.url)
  const thread = new Worker(file, { workerData: config, execArgv: [], env: {} })
  const { promise, resolve, reject } = Promise.withResolvers<Bundle>()
  const end = (): void => reject(signal.reason)
  signal.addEventListener('abort', end, { once: true })
  thread.on('message', (message: FromOrder) => {
    if (message.type === 'issued') resolve(message.bundle)
    else if (message.type === 'failed') reject(new AcmeProblem(message.problem, message.retryAfter))
    else if (message.type === 'log') log[message.level](message.event, message.facts)
    else challenge(message.challenges).then(() => thread.postMessage('answered'), reject)
  })
  thread.on('error', reject)
  thread.on('exit', (code) => reject(new AcmeProblem(`its thread ended without a result (exit code ${code})`)))
  try {
    return await promise
  } finally {
    signal.removeEventListener('abort', end)
    void thread.terminate()
  }
}
