import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import type { Exchange, ExchangeOwner, ServerHandler } from '../../core/http/exchange.ts'
import { Fields } from '../../core/http/fields.ts'
import { Http2ServerConnection } from '../../core/http2/server-connection.ts'
import { peerOf } from '../../core/net/peer.ts'
import { idleOwner } from '../http1/idle-owner.ts'
import { carrier } from '../http1/transport.ts'

export interface Served {
  readonly port: number
  readonly timeouts: { head: number; keepAlive: number }
  readonly sessions: Set<Http2ServerConnection>
  readonly exchanges: Exchange[]
  /** What was called, in order: `begin /a`, `sent /a`, `gone /a`, `over /a`, `malformed …`, `crash …`, `close`. */
  readonly said: string[]
}

/** What a test wants of an owner; `onSent` and `onGone` are noted already. */
export type Answers = (exchange: Exchange) => Partial<Omit<ExchangeOwner, 'onSent' | 'onGone'>> | undefined

/** The codec by itself, in front of an owner that the test gives; closed with the test. */
export async function serve(answer: Answers): Promise<Served> {
  const served = {
    port: 0,
    timeouts: { head: 10_000, keepAlive: 10_000 },
    sessions: new Set<Http2ServerConnection>(),
    exchanges: [] as Exchange[],
    said: [] as string[],
  }
  const { sessions, said } = served
  const handler: ServerHandler = {
    timeouts: served.timeouts,
    halfClose: 'cancel',
    onRequest(exchange) {
      const { rawTarget } = exchange
      said.push(`begin ${rawTarget}`)
      served.exchanges.push(exchange)
      const notes = {
        onSent: (): void => void said.push(`sent ${rawTarget}`),
        onGone: (): void => void said.push(`gone ${rawTarget}`),
      }
      exchange.owner = idleOwner(notes)
      exchange.owner = idleOwner({ ...answer(exchange), ...notes })
    },
    onOver: ({ rawTarget }) => void said.push(`over ${rawTarget}`),
    onMalformed(session, { problem, status }) {
      said.push(`malformed ${status} ${problem}`)
      session.refuse(status, new Fields(['x-problem', problem]), Buffer.from(problem))
    },
    onCrash(exchange, error) {
      said.push(`crash ${(error as Error).message}`)
      exchange.abort()
    },
    onClose(session) {
      said.push('close')
      sessions.delete(session as Http2ServerConnection)
    },
  }
  const server = await carrier().listen((stream) => {
    sessions.add(new Http2ServerConnection(stream, { peer: peerOf(stream) }, handler))
  })
  served.port = (server.address() as AddressInfo).port
  onTestFinished(() => {
    server.close()
    for (const session of sessions) session.abort()
  })
  return served
}

/** Answers with 200 and this body at once. */
export function whole(body: string, fields: readonly string[] = []): Answers {
  return (exchange) => {
    exchange.respondWhole(200, '', new Fields(['content-length', `${body.length}`, ...fields]), body)
    return undefined
  }
}

/** Answers a request with its own body and trailers, piece by piece. */
export function echo(exchange: Exchange): Partial<ExchangeOwner> {
  exchange.respond(200, '', new Fields(['x-method', exchange.method]))
  // After `onRequest`: the owner is set by then.
  setImmediate(() => exchange.receive())
  return {
    onBody(chunk) {
      if (!exchange.write(Buffer.from(chunk))) exchange.pause()
    },
    onWritable: () => exchange.resume(),
    onBodyEnd: () => exchange.end(exchange.trailers),
  }
}
