import * as grpc from '@grpc/grpc-js'
import { onTestFinished } from 'vitest'

const same = (bytes: Buffer): Buffer => bytes
const method = (
  name: string,
  requestStream: boolean,
  responseStream: boolean,
): grpc.MethodDefinition<Buffer, Buffer> => ({
  path: `/test.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
})

/** A service of all four kinds of calls; its messages are bytes as they stand. */
export const service = {
  one: method('One', false, false),
  collect: method('Collect', true, false),
  count: method('Count', false, true),
  talk: method('Talk', true, true),
}

export interface GrpcApp {
  readonly port: number
  /** Calls that it has got, by name of the method. */
  readonly calls: string[]
  /** Names of methods whose call was cancelled. */
  readonly cancelled: string[]
}

/**
 * A gRPC server. `One` answers with the message, `Collect` with all of them joined, `Count` sends as many as the message says, for ever for
 * `endless`, `Talk` each as it comes. The metadata `fail` ends a call with that status, `wait` with no answer; `sum` comes back as a trailer.
 *
 * @param name told in the metadata `backend` of each response
 */
export async function startGrpcApp(name: string): Promise<GrpcApp> {
  const calls: string[] = []
  const cancelled: string[] = []
  const server = new grpc.Server()
  /** Whether the call is to be answered. */
  const begin = (kind: string, call: Incoming, refuse: (error: grpc.ServiceError) => void): boolean => {
    calls.push(kind)
    call.on('cancelled', () => void cancelled.push(kind))
    const [fail] = call.metadata.get('fail')
    if (fail !== undefined) {
      refuse(
        Object.assign(new Error('told to fail: 100 %, “no”'), {
          code: Number(fail),
          details: 'told to fail: 100 %, “no”',
          metadata: new grpc.Metadata(),
        }),
      )
      return false
    }
    if (call.metadata.get('wait').length > 0) return false
    const metadata = new grpc.Metadata()
    metadata.set('backend', name)
    call.sendMetadata(metadata)
    return true
  }
  const trailersOf = (call: { readonly metadata: grpc.Metadata }): grpc.Metadata => {
    const trailers = new grpc.Metadata()
    for (const value of call.metadata.get('sum')) trailers.add('sum', value)
    return trailers
  }
  server.addService(service, {
    one(call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) {
      if (begin('one', call, done)) done(null, call.request, trailersOf(call))
    },
    collect(call: grpc.ServerReadableStream<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) {
      if (!begin('collect', call, done)) return
      const all: Buffer[] = []
      call.on('data', (message: Buffer) => all.push(message))
      call.on('end', () => done(null, Buffer.concat(all), trailersOf(call)))
    },
    count(call: grpc.ServerWritableStream<Buffer, Buffer>) {
      if (!begin('count', call, (error) => void call.emit('error', error))) return
      const last = call.request.toString() === 'endless' ? Number.POSITIVE_INFINITY : Number(call.request)
      let next = 0
      const more = (): void => {
        while (next < last && !call.cancelled)
          if (!call.write(Buffer.from(String(next++)))) return void call.once('drain', more)
        call.end(trailersOf(call))
      }
      more()
    },
    talk(call: grpc.ServerDuplexStream<Buffer, Buffer>) {
      if (!begin('talk', call, (error) => void call.emit('error', error))) return
      call.on('data', (message: Buffer) => call.write(message))
      call.on('end', () => call.end(trailersOf(call)))
    },
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  onTestFinished(() => server.forceShutdown())
  return { port, calls, cancelled }
}

/** What every kind of call has. */
interface Incoming {
  readonly metadata: grpc.Metadata
  sendMetadata(metadata: grpc.Metadata): void
  on(event: 'cancelled', listener: () => void): unknown
}

/** A call's end, as a client sees it. */
export interface Ended {
  readonly code: grpc.status
  readonly details: string
  /** Messages, as text. */
  readonly messages: readonly string[]
  /** The backend that answered. */
  readonly backend: string | undefined
  /** The trailer `sum`. */
  readonly sum: string | undefined
}

/** A client of the service with one connection; closed when the test is over. */
export class GrpcClient {
  readonly #client: grpc.Client

  constructor(port: number) {
    this.#client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_http_proxy': 0,
      'grpc.enable_retries': 0,
      'grpc.max_receive_message_length': -1,
    })
    onTestFinished(() => this.#client.close())
  }

  /** @param metadata names and values in turn */
  one(message: string | Buffer, metadata: readonly string[] = [], options: grpc.CallOptions = {}): Promise<Ended> {
    const all: Buffer[] = []
    const call = this.#client.makeUnaryRequest(
      '/test.Echo/One',
      same,
      same,
      Buffer.from(message),
      metadataOf(metadata),
      options,
      (_, answer) => {
        if (answer !== undefined) all.push(answer)
      },
    )
    return endOf(call, all)
  }

  collect(messages: readonly string[], metadata: readonly string[] = []): Promise<Ended> {
    const all: Buffer[] = []
    const call = this.#client.makeClientStreamRequest(
      '/test.Echo/Collect',
      same,
      same,
      metadataOf(metadata),
      (_, answer) => {
        if (answer !== undefined) all.push(answer)
      },
    )
    for (const message of messages) call.write(Buffer.from(message))
    call.end()
    return endOf(call, all)
  }

  /** @param onMessage may cancel the call */
  count(
    message: string,
    metadata: readonly string[] = [],
    options: grpc.CallOptions = {},
    onMessage?: (call: { cancel(): void }) => void,
  ): Promise<Ended> {
    const all: Buffer[] = []
    const call = this.#client.makeServerStreamRequest(
      '/test.Echo/Count',
      same,
      same,
      Buffer.from(message),
      metadataOf(metadata),
      options,
    )
    call.on('data', (answer: Buffer) => {
      all.push(answer)
      onMessage?.(call)
    })
    call.on('error', () => {})
    return endOf(call, all)
  }

  /** Sends each message when the one before has come back. */
  talk(messages: readonly string[], metadata: readonly string[] = []): Promise<Ended> {
    const all: Buffer[] = []
    const call = this.#client.makeBidiStreamRequest('/test.Echo/Talk', same, same, metadataOf(metadata))
    const rest = [...messages]
    const next = (): void => {
      const message = rest.shift()
      if (message === undefined) call.end()
      else call.write(Buffer.from(message))
    }
    call.on('data', (answer: Buffer) => {
      all.push(answer)
      next()
    })
    call.on('error', () => {})
    next()
    return endOf(call, all)
  }
}

type Call = { on(event: 'status', listener: (status: grpc.StatusObject) => void): unknown } & {
  on(event: 'metadata', listener: (metadata: grpc.Metadata) => void): unknown
}

function endOf(call: Call, all: readonly Buffer[]): Promise<Ended> {
  return new Promise((resolve) => {
    let backend: string | undefined
    call.on('metadata', (metadata) => {
      backend = metadata.get('backend')[0]?.toString()
    })
    call.on('status', ({ code, details, metadata }) => {
      // The answer of a unary call is told after the status.
      setImmediate(() => {
        const messages = all.map(String)
        resolve({ code, details, messages, backend, sum: metadata.get('sum')[0]?.toString() })
      })
    })
  })
}

function metadataOf(list: readonly string[]): grpc.Metadata {
  const metadata = new grpc.Metadata()
  for (let at = 0; at < list.length; at += 2) metadata.add(list[at]!, list[at + 1]!)
  return metadata
}
