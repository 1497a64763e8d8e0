import { createServer, type ServerHttp2Session } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import type { Codec, Reading } from './codec.ts'

/** The same as `startCodec`, on node:http2: answers with an empty 200. */
export async function startOracle(): Promise<Codec> {
  const server = createServer()
  const all = new Map<number, Reading[]>()
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', (session) => {
    const readings: Reading[] = []
    all.set(session.socket?.remotePort ?? 0, readings)
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
    session.on('error', () => {})
    session.on('stream', (stream, _headers, _flags, raw: readonly string[]) => {
      stream.on('error', () => {})
      const { pseudo, fields } = sorted(raw)
      const reading: Reading = {
        method: pseudo.get(':method') ?? '',
        target: pseudo.get(':path') ?? pseudo.get(':authority') ?? '',
        fields,
        body: Buffer.alloc(0),
        trailers: [],
        isWhole: false,
      }
      readings.push(reading)
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('trailers', (_: unknown, __: unknown, rawTrailers: readonly string[]) => {
        reading.trailers = rawTrailers.map(String)
      })
      stream.on('end', () => {
        reading.body = Buffer.concat(chunks)
        reading.isWhole = !stream.aborted && stream.rstCode === 0
        if (!stream.destroyed && !stream.closed && !session.destroyed && !stream.headersSent)
          stream.respond({ ':status': 200 }, { endStream: true })
      })
    })
  })
  server.on('sessionError', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    for (const session of sessions) session.destroy()
  })
  return {
    port: (server.address() as AddressInfo).port,
    readings: (port) => all.get(port) ?? [],
    forget: (port) => void all.delete(port),
  }
}

/** As our codec presents a request: `:authority` is the first `host`, cookies are one line. */
function sorted(raw: readonly string[]): { pseudo: Map<string, string>; fields: string[] } {
  const pseudo = new Map<string, string>()
  const fields: string[] = []
  const cookies: string[] = []
  let cookieAt = -1
  for (let at = 0; at < raw.length; at += 2) {
    const [name, value] = [raw[at]!, raw[at + 1]!]
    if (name.startsWith(':')) pseudo.set(name, value)
    else if (name === 'cookie') {
      if (cookieAt === -1) cookieAt = fields.push(name, '') - 1
      cookies.push(value)
    } else fields.push(name, value)
  }
  if (cookieAt !== -1) fields[cookieAt] = cookies.join('; ')
  const authority = pseudo.get(':authority')
  if (authority !== undefined && !fields.some((name, index) => index % 2 === 0 && name === 'host'))
    fields.unshift('host', authority)
  return { pseudo, fields }
}
