import { rmSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { dirname } from 'node:path'
import { Gateway } from '../gateway.ts'
import { LeasedCounters } from '../grants/counter/leased-counters.ts'
import { createGrantHost } from '../grants/grant-host.ts'
import { createGuard } from '../guard/guard.ts'
import type { BoundHandle } from '../listen/listener.ts'
import type { SandboxEvent } from '../sandbox/event.ts'
import { adoptRuntime } from '../sandbox/runtime.ts'
import { Log } from '../telemetry/log.ts'
import type { HealthReport, ToSupervisor, ToWorker } from './channel.ts'
import { reportDescriptor } from './spawn.ts'
import { WorkerConfig } from './worker-config.ts'

/** One worker: a gateway that takes its configuration, its sockets and its orders from the supervisor. */
const log = new Log()
const counters = new LeasedCounters({ send: (orders) => tell({ type: 'counters', orders }) })
const guard = createGuard({ slotFile: process.argv[2], report: reportDescriptor })
const events = batched<SandboxEvent>((list) => tell({ type: 'events', events: list }))
const health = batched<HealthReport>((reports) => tell({ type: 'health', reports }))
const gateway = new Gateway({
  log,
  guard,
  grants: createGrantHost({ counters, onLog: (line) => log.plugin(line) }),
  onHealth: ({ upstream, address, healthy, measuredWeight }) =>
    health({ upstream, address, healthy, weight: measuredWeight }),
  onEvent: events,
})
gateway.upstreams.probe(false)

const sockets = new Map<string, BoundHandle>()
const config = new WorkerConfig(gateway)

async function take(message: ToWorker, handle: unknown): Promise<void> {
  switch (message.type) {
    case 'socket':
      sockets.set(message.listener, handle as BoundHandle)
      return
    case 'prepare': {
      const { generation } = message
      adoptRuntime(message.runtime)
      const problem = await config.prepare(generation, message.changes, sockets)
      sockets.clear()
      tell({ type: 'prepared', generation, problem })
      return
    }
    case 'commit':
      config.commit(message.generation)
      tell({ type: 'committed', generation: message.generation })
      // What was compiled to get here spares the next worker the time.
      setImmediate(flushCompileCache)
      return
    case 'abort':
      config.abort(message.generation)
      return
    case 'lead':
      gateway.upstreams.probe(message.on)
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
    case 'drain':
      await drain()
  }
}

/** One message for all of a turn of the event loop. */
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
async function drain(): Promise<void> {
  if (draining) return
  draining = true
  await gateway.drain()
  await end(0)
}

async function end(code: number): Promise<void> {
  gateway.close()
  guard.close()
  await log.flush()
  process.exit(code)
}

/** Wait for each other: sockets are there when the configuration that wants them is prepared, and that takes many turns. */
const inTurn = new Set<ToWorker['type']>(['socket', 'prepare', 'commit', 'abort'])
let turn: Promise<void> = Promise.resolve()
process.on('message', (message: ToWorker, handle: unknown) => {
  if (inTurn.has(message.type)) turn = turn.then(() => take(message, handle))
  else void take(message, handle)
})
// Ctrl-C reaches every process of the terminal, and so does its end: the supervisor decides what follows from it.
process.on('SIGINT', () => {})
process.on('SIGHUP', () => {})
process.on('SIGTERM', () => void drain())
// Without a supervisor nobody could reload or end it any more.
process.on('disconnect', () => {
  if (process.argv[2] !== undefined) rmSync(dirname(process.argv[2]), { recursive: true, force: true })
  void end(1)
})
