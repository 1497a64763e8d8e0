import { flushCompileCache } from 'node:module'
import { dirname } from 'node:path'
import { Gateway } from '../gateway.ts'
import { LeasedCounters } from '../grants/counter/leased-counters.ts'
import { createGrantHost } from '../grants/grant-host.ts'
import { createGuard } from '../guard/guard.ts'
import type { BoundHandle } from '../listen/listener.ts'
import { SessionPlaces } from '../listen/session-places.ts'
import { shareHost } from '../net/host-share.ts'
import type { SandboxEvent } from '../sandbox/event.ts'
import { adoptRuntime } from '../sandbox/runtime.ts'
import { Log } from '../telemetry/log.ts'
import { standardOutput } from '../telemetry/standard-output.ts'
import type { Answer, HealthReport, Question, ToSupervisor, ToWorker } from './channel.ts'
import { beChild } from './child.ts'
import { reportDescriptor } from './spawn.ts'
import { WorkerConfig } from './worker-config.ts'
import { WorkerRenewals } from './worker-renewals.ts'

/** One worker: a gateway that receives its configuration, its sockets and its orders from the supervisor. */
const slotFile = process.argv[2]
const log = new Log(standardOutput((problem) => tell({ type: 'unwritable', problem })))
const counters = new LeasedCounters({ send: (orders) => tell({ type: 'counters', orders }) })
const guard = createGuard({ slotFile, report: reportDescriptor })
const events = batched<SandboxEvent>((list) => tell({ type: 'events', events: list }))
const health = batched<HealthReport>((reports) => tell({ type: 'health', reports }))
const places = new SessionPlaces((news) => tell({ type: 'sessions', news }))
const gateway = new Gateway({
  places,
  log,
  guard,
  grants: createGrantHost({ counters, onLog: (line) => log.plugin(line) }),
  onHealth: ({ upstream, address, healthy, measuredWeight }) =>
    health({ upstream, address, healthy, weight: measuredWeight }),
  onEvent: events,
})
gateway.upstreams.probe(false)

const acme = new WorkerRenewals(gateway.acme, log, tell)
const sockets = new Map<string, BoundHandle>()
const config = new WorkerConfig(gateway)

async function take(message: ToWorker, handle: unknown): Promise<void> {
  switch (message.type) {
    case 'socket':
      sockets.set(message.listener, handle as BoundHandle)
      return
    case 'ask':
      tell({ type: 'answer', id: message.id, answer: await answerTo(message.question) })
      return
    case 'slot':
      process.title = `postern: worker ${message.index + 1}`
      shareHost(message.index, message.of)
      return
    case 'sessions':
      places.adopt(message.news)
      return
    case 'abort':
      config.abort(message.generation)
      return
    case 'lead':
      gateway.upstreams.probe(message.on)
      acme.renewals.lead(message.on)
      return
    case 'certificates':
      gateway.acme.install(message.certificates)
      return
    case 'challenges':
      gateway.acme.challenge(message.challenges)
      return
    case 'challenged':
      acme.challenged(message.id)
      return
    case 'health':
      for (const { upstream, address, ...heard } of message.reports) gateway.upstreams.hear(upstream, address, heard)
      return
    case 'quarantine':
      gateway.quarantine(message.hash, message.state)
      return
    case 'suspect':
      gateway.suspect(message.hashes, message.on)
      return
    case 'counters':
      counters.hear(message.news)
      return
    case 'tickets':
      gateway.tickets.adopt(message.secrets)
      return
    case 'drain':
      await drain(message.replaced)
  }
}

async function answerTo(question: Question): Promise<Answer> {
  switch (question.kind) {
    case 'prepare': {
      adoptRuntime(question.runtime)
      const problem = await config.prepare(question.generation, question.changes, sockets)
      sockets.clear()
      return { problem }
    }
    case 'commit':
      config.commit(question.generation)
      acme.renewals.adopt(gateway.snapshot.config.acme)
      // Saves the code compiled so far, so that the next worker starts faster.
      setImmediate(flushCompileCache)
      return undefined
    case 'challenge':
      gateway.acme.challenge(question.challenges)
      return undefined
    case 'status': {
      const { generation } = config
      const plugins = generation === undefined ? [] : gateway.snapshot.sandbox.stats()
      return { generation, active: gateway.active, plugins }
    }
  }
}

/** Collects all items of one turn of the event loop and sends them together. */
function batched<T>(send: (list: T[]) => void): (item: T) => void {
  let list: T[] = []
  return (item) => {
    if (list.length === 0) {
      setImmediate(() => {
        const ready = list
        list = []
        send(ready)
      })
    }
    list.push(item)
  }
}

function tell(message: ToSupervisor): void {
  if (process.connected) process.send!(message, undefined, undefined, () => {})
}

let draining = false
async function drain(isReplaced: boolean): Promise<void> {
  if (draining) return
  draining = true
  acme.renewals.close()
  const drained: ToSupervisor = { type: 'drained', cutOff: await gateway.drain(isReplaced) }
  if (process.connected) await new Promise((resolve) => process.send!(drained, undefined, undefined, resolve))
  guard.close()
  if (await log.flush()) process.exit(0)
  process.kill(process.pid, 'SIGKILL')
}

/**
 * Whether a message is handled after all earlier ones: preparing needs its sockets and takes many turns of the event
 * loop.
 */
function isInTurn(message: ToWorker): boolean {
  if (message.type === 'ask') return message.question.kind === 'prepare' || message.question.kind === 'commit'
  return message.type === 'socket' || message.type === 'abort'
}

let turn: Promise<void> = Promise.resolve()
process.on('message', (message: ToWorker, handle: unknown) => {
  if (isInTurn(message)) turn = turn.then(() => take(message, handle))
  else void take(message, handle)
})
process.on('SIGTERM', () => {
  if (process.connected) tell({ type: 'leaving' })
  else void drain(false)
})
beChild('worker', slotFile === undefined ? undefined : dirname(slotFile), () => {
  gateway.close()
  return log.flush()
})
