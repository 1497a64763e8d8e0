import { request } from 'node:http'
import { connect, type IncomingHttpHeaders, type IncomingHttpStatusHeader, type OutgoingHttpHeaders } from 'node:http2'
import { request as requestTls } from 'node:https'
import { connect as connectTcp, type Socket } from 'node:net'
import { grpcAnswer, grpcRequest, smallBody } from './backend.ts'
import { proxyHeader } from './load/client.ts'
import { datagramLoop } from './load/datagram-loop.ts'
import { echoLoop } from './load/echo-loop.ts'
import { grpcHeaders, requestHeaders, type Work } from './peers/peer.ts'
import type { Subject } from './subject.ts'

/** Makes sure that a subject does what it is measured for. */
export async function verify({ name, work }: Subject, port: number): Promise<void> {
  // It has answered.
  if (work.layer === 'udp') return
  const path = work.routes === undefined ? '/' : '/r/0'
  if (work.grpc !== undefined) return verifyCall(name, work.grpc, port)
  const get = work.http2 ? getOverHttp2 : getBy(work.tls || work.passthrough ? requestTls : request, work.proxyProtocol)
  const answer = await get(port, path, requestHeaders)
  const upstream = work.plugins >= 3 ? 'beta' : 'stable'
  const problems = [
    answer.status !== 200 && `status ${answer.status}`,
    answer.body !== smallBody && `body ${answer.body.slice(0, 80)}`,
    answer.headers['x-backend'] !== upstream && `backend ${answer.headers['x-backend']}, not ${upstream}`,
    work.plugins >= 3 && !/;r=\d+;t=\d+$/.test(`${answer.headers.ratelimit}`) && `budget ${answer.headers.ratelimit}`,
    work.plugins > 0 && (await get(port, path, {})).status !== 401 && 'served without a key',
    work.webSockets && (await echo(port)) === 0 && 'no echo',
  ].filter((problem) => problem !== false && problem !== undefined)
  if (problems.length > 0) throw new Error(`${name} does something else: ${problems.join(', ')}`)
}

/** A connection that begins with a header of the PROXY protocol. */
function introduced(port: number): Socket {
  const socket = connectTcp(port, '127.0.0.1')
  socket.write(proxyHeader)
  return socket
}

/** Resolves when datagrams come back; `false` when `isOver` says that none ever will, or after 30 s. */
export async function answersDatagrams(port: number, isOver: () => boolean): Promise<boolean> {
  const end = performance.now() + 30_000
  const load = { port, path: '', headers: {}, connections: 1, seconds: 0.1 }
  while (!isOver() && performance.now() < end) {
    if ((await datagramLoop(load)).requests > 0) return true
  }
  return false
}

/** How many messages came back in a moment, of a WebSocket. */
async function echo(port: number): Promise<number> {
  return (await echoLoop({ port, path: '/', headers: requestHeaders, connections: 1, seconds: 0.2 })).requests
}

interface Answer {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly body: string
}

type Get = (port: number, path: string, headers: Readonly<Record<string, string>>) => Promise<Answer>

function getBy(ask: typeof requestTls, proxyProtocol?: true): Get {
  return (port, path, headers) =>
    new Promise((resolve, reject) => {
      const options = {
        host: '127.0.0.1',
        port,
        path,
        headers,
        agent: false,
        servername: 'localhost',
        rejectUnauthorized: false,
        ...(proxyProtocol ? { agent: undefined, createConnection: () => introduced(port) } : {}),
      }
      const outgoing = ask(options, (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          body += chunk
        })
        response.on('error', reject)
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
      })
      outgoing.on('error', reject)
      outgoing.end()
    })
}

const getOverHttp2: Get = async (port, path, headers) => {
  const { status, fields, body } = await ask(port, { ':path': path, ...headers })
  return { status, headers: fields, body: body.toString() }
}

async function verifyCall(name: string, kind: NonNullable<Work['grpc']>, port: number): Promise<void> {
  const head = { ':method': 'POST', ':path': '/bench.Bench/Ask', ...grpcHeaders }
  const { status, body, trailers } = await ask(port, head, grpcRequest, kind === 'open')
  const found = `${status}, ${body.toString('hex')}, grpc-status ${trailers['grpc-status']}`
  const expected = kind === 'open' ? '200, , grpc-status undefined' : `200, ${grpcAnswer}, grpc-status 0`
  if (found !== expected) throw new Error(`${name} does something else: ${found}, not ${expected}`)
}

interface Http2Answer {
  readonly status: number
  readonly fields: NodeJS.Dict<string | string[]>
  readonly body: Buffer
  readonly trailers: NodeJS.Dict<string | string[]>
}

/** One request over HTTP/2 without TLS. @param headOnly resolves when the head has come. */
function ask(port: number, head: OutgoingHttpHeaders, body = '', headOnly = false): Promise<Http2Answer> {
  return new Promise((resolve, reject) => {
    const session = connect(`http://127.0.0.1:${port}`).on('error', reject)
    const stream = session.request(head, { endStream: body === '' }).on('error', reject)
    let fields: IncomingHttpHeaders & IncomingHttpStatusHeader = {}
    let trailers: IncomingHttpHeaders = {}
    const chunks: Buffer[] = []
    const end = (): void => {
      session.destroy()
      resolve({ status: fields[':status'] ?? 0, fields, body: Buffer.concat(chunks), trailers })
    }
    stream.on('response', (head) => {
      fields = head
      if (headOnly) end()
    })
    stream.on('trailers', (last) => {
      trailers = last
    })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', end)
    if (body !== '') {
      stream.write(Buffer.from(body, 'hex'))
      if (!headOnly) stream.end()
    }
  })
}
