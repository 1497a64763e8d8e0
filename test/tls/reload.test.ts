import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { expect, test } from 'vitest'
import { echoBackend } from '../helpers/backend.ts'
import { httpConfig, type Json, startGateway, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { createAuthority, type Issued } from './certificates.ts'
import { visit } from './visit.ts'

const authority = createAuthority()
const { ca } = authority
/** Between two requests of a client, so that the reloads get their share of the processors. */
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 25))

/** Requests until told to stop, in the three ways in which clients come: each failure in words. */
function traffic(port: number) {
  const failed: string[] = []
  const answered = { anew: 0, resumed: 0, kept: 0 }
  let going = true
  const isGood = (text: string): boolean => text.startsWith('HTTP/1.1 200 ')
  const anew = async (): Promise<void> => {
    while (going) {
      const { text, error } = await visit(port, { ca })
      if (isGood(text)) answered.anew++
      else failed.push(`a new connection: ${error ?? text}`)
      await pause()
    }
  }
  const returning = async (): Promise<void> => {
    let { session } = await visit(port, { ca })
    while (going) {
      const { text, error, resumed, session: next } = await visit(port, { ca, ...(session && { session }) })
      if (isGood(text)) answered.resumed += resumed ? 1 : 0
      else failed.push(`a session that returns: ${error ?? text}`)
      session = next
      await pause()
    }
  }
  const staying = async (): Promise<void> => {
    const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca })
    socket.on('error', (error) => failed.push(`a connection that stays: ${error.message}`))
    socket.on('close', () => going && failed.push('a connection that stays was closed'))
    while (going && !socket.destroyed) {
      const answer = await asked(socket)
      if (isGood(answer)) answered.kept++
      else failed.push(`a connection that stays: ${answer}`)
      await pause()
    }
    going = false
    socket.destroy()
  }
  const lanes = [anew(), anew(), returning(), returning(), staying(), staying()]
  return {
    failed,
    answered,
    stop: async () => {
      going = false
      await Promise.all(lanes)
    },
  }
}

/** The answer to one request on a connection that stays open: all of it, since it comes at once. */
function asked(socket: TLSSocket): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const hear = (chunk: Buffer): void => {
      text += chunk.toString('latin1')
      const [head, body] = text.split('\r\n\r\n')
      const length = Number(/content-length: (\d+)/i.exec(head!)?.[1])
      if (body === undefined || body.length < length) return
      socket.off('data', hear)
      socket.off('close', end)
      resolve(text)
    }
    const end = (): void => resolve(text)
    socket.on('data', hear)
    socket.once('close', end)
    socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
  })
}

/** Each reload of the second way starts a process that checks the configuration, and takes a second of CPU time. */
const ways = [
  ['in this process', 20, startInProcess],
  ['with two workers', 3, startGateway],
] as const

test.each(ways)(
  'reloads with new certificate files under load, %s, %i times: no connection and no request fails',
  async (...way) => {
    const [, reloads, start] = way
    const backend = await echoBackend()
    const tls: Json = { certificates: [{ cert: 'web.crt', key: 'web.key' }] }
    const config = httpConfig([backend.port], { listeners: { web: { protocol: 'https', tls } } })
    const filesOf = ({ chain, key }: Issued): Record<string, string> => ({ 'web.crt': chain, 'web.key': key })
    const gateway = await start(config, filesOf(authority.issue()))
    const port = gateway.port('web')
    const load = traffic(port)
    const more = (): Promise<boolean> => {
      const before = { ...load.answered }
      const kinds = ['anew', 'resumed', 'kept'] as const
      return until('more answers of each kind', () => kinds.every((kind) => load.answered[kind] > before[kind]))
    }
    await more()
    for (let i = 0; i < reloads; i++) {
      // EC and RSA in turn: clients that come back meet another kind of key.
      const next = authority.issue({ key: i % 2 === 0 ? 'rsa' : 'ec' })
      for (const [name, text] of Object.entries(filesOf(next))) writeFileSync(join(gateway.folder, name), text)
      await gateway.reload(config)
      const { certificate } = await visit(port, { ca })
      expect(certificate?.equals(next.der)).toBe(true)
      await more()
    }
    await load.stop()
    console.log(`${reloads} reloads: ${JSON.stringify(load.answered)} answers, ${load.failed.length} failed`)
    expect(load.failed).toEqual([])
    expect(gateway.log.filter(({ msg }) => msg === 'handshake')).toEqual([])
  },
  // On a machine with ten processes for each core.
  300_000,
)
