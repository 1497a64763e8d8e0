import { request } from 'node:http'
import { request as requestTls } from 'node:https'
import { smallBody } from './backend.ts'
import { echoLoop } from './load/echo-loop.ts'
import { requestHeaders } from './peers/peer.ts'
import type { Subject } from './subject.ts'

/** Makes sure that a subject does what it is measured for. */
export async function verify({ name, work }: Subject, port: number): Promise<void> {
  const path = work.routes === undefined ? '/' : '/r/0'
  const get = getBy(work.tls ? requestTls : request)
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

function getBy(ask: typeof requestTls): Get {
  return (port, path, headers) =>
    new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port, path, headers, agent: false, rejectUnauthorized: false }
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
