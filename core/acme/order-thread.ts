import { once } from 'node:events'
import { parentPort, workerData } from 'node:worker_threads'
import type { AcmeConfig } from './acme-config.ts'
import { AcmeProblem } from './acme-problem.ts'
import type { Challenge } from './acme-state.ts'
import type { Bundle } from './issued-certificate.ts'
import { orderCertificate } from './order.ts'
import { type AcmeLog, AcmeStorage } from './storage.ts'

/** What the thread of an order says. The last one is `issued` or `failed`. */
export type FromOrder =
  /** Is answered with any message when every worker answers them. */
  | { readonly type: 'challenges'; readonly challenges: readonly Challenge[] }
  | {
      readonly type: 'log'
      readonly level: keyof AcmeLog
      readonly event: string
      readonly facts: Record<string, unknown>
    }
  | { readonly type: 'issued'; readonly bundle: Bundle }
  | { readonly type: 'failed'; readonly problem: string; readonly retryAfter: number | undefined }

const config = workerData as AcmeConfig
const port = parentPort!
const say = (message: FromOrder): void => port.postMessage(message)

function logAt(level: keyof AcmeLog): AcmeLog[keyof AcmeLog] {
  return (event, facts) => say({ type: 'log', level, event, facts })
}

const log: AcmeLog = { info: logAt('info'), warn: logAt('warn'), error: logAt('error') }

async function challenge(challenges: readonly Challenge[]): Promise<void> {
  say({ type: 'challenges', challenges })
  await once(port, 'message')
}

try {
  const bundle = await orderCertificate(config, new AcmeStorage(config, log), challenge)
  say({ type: 'issued', bundle })
} catch (error) {
  const retryAfter = error instanceof AcmeProblem ? error.retryAfter : undefined
  say({ type: 'failed', problem: error instanceof Error ? error.message : String(error), retryAfter })
}
