import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { createSecureContext, type SecureVersion, TLSSocket } from 'node:tls'
import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { TicketKeys } from '../../core/tls/ticket-keys.ts'
import type { TicketSecrets } from '../../core/tls/ticket-rotation.ts'
import { type Visit, visit } from './visit.ts'

const folder = join(import.meta.dirname, '../fixtures/tls')
const key = readFileSync(join(folder, 'key.pem'))
const cert = readFileSync(join(folder, 'cert.pem'))

function secrets(previous?: TicketSecrets): TicketSecrets {
  return { current: randomBytes(64), previous: previous?.current }
}

/** A server as a worker has one: its keys, and a context with them. The `sessionIdContext` is the same for all. */
async function serve(
  told: TicketSecrets,
  scope = 'web',
  isRenewed?: boolean,
): Promise<{ port: number; keys: TicketKeys }> {
  const keys = new TicketKeys()
  keys.adopt(told)
  const context = createSecureContext({ key, cert, sessionIdContext: 'the same' })
  keys.apply(context, scope, isRenewed)
  const server = createServer((plain) => {
    const socket = new TLSSocket(plain, { isServer: true, secureContext: context })
    socket.on('error', () => {})
    socket.end('hello')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { port: (server.address() as AddressInfo).port, keys }
}

const at = (port: number, version: SecureVersion, session?: Buffer): Promise<Visit> =>
  visit(port, { minVersion: version, maxVersion: version, ca: cert, ...(session && { session }) })

describe.each(['TLSv1.3', 'TLSv1.2'] as const)('%s', (version) => {
  test('a session resumes in every process that was told the same secrets', async () => {
    const told = secrets()
    const [one, other] = [await serve(told), await serve(told)]
    const { resumed, session } = await at(one.port, version)
    expect(resumed).toBe(false)
    expect((await at(one.port, version, session)).resumed).toBe(true)
    expect((await at(other.port, version, session)).resumed).toBe(true)
  })

  test('a process that was told nothing opens no ticket of another one', async () => {
    const one = await serve(secrets())
    const other = await serve(secrets())
    const { session } = await at(one.port, version)
    expect((await at(other.port, version, session)).resumed).toBe(false)
  })

  test('a ticket opens after one rotation and is replaced by a new one; after two it is worth a full handshake', async () => {
    const first = secrets()
    const second = secrets(first)
    const { port, keys } = await serve(first)
    const { session: old } = await at(port, version)
    keys.adopt(second)
    const { resumed, session: renewed } = await at(port, version, old)
    expect(resumed).toBe(true)
    expect(renewed).toBeDefined()
    keys.adopt(secrets(second))
    expect((await at(port, version, old)).resumed).toBe(false)
    expect((await at(port, version, renewed)).resumed).toBe(true)
  })

  test('a client that uses each ticket only once resumes at each visit, unless tickets are not renewed', async () => {
    const told = secrets()
    const { port } = await serve(told)
    const resumed: boolean[] = []
    let { session } = await at(port, version)
    for (let i = 0; i < 4; i++) {
      const next = await at(port, version, session)
      resumed.push(next.resumed)
      expect(next.session).toBeDefined()
      session = next.session
    }
    expect(resumed).toEqual([true, true, true, true])
    const other = await serve(told, 'web', false)
    const { session: only } = await at(other.port, version)
    const again = await at(other.port, version, only)
    expect(again.resumed).toBe(true)
    expect(again.session === undefined || again.session.equals(only!)).toBe(true)
  })

  test('a ticket of another scope does not open, even if the session would fit', async () => {
    const told = secrets()
    const one = await serve(told, 'web {"ca":"A"}')
    const other = await serve(told, 'web {"ca":"B"}')
    const { session } = await at(one.port, version)
    expect((await at(other.port, version, session)).resumed).toBe(false)
    expect((await at(one.port, version, session)).resumed).toBe(true)
  })

  test('a ticket with any byte changed leads to a full handshake, and the server goes on', async () => {
    const { port } = await serve(secrets())
    const { session } = await at(port, version)
    const ticket = ticketOf(session!)
    // The name of the key, the vector, what is encrypted, the seal.
    for (const place of [0, 15, 16, 31, 32, 60, ticket.length - 1]) {
      const changed = Buffer.from(session!)
      const index = session!.indexOf(ticket) + place
      changed[index] = changed[index]! ^ 1
      expect((await at(port, version, changed)).resumed).toBe(false)
    }
    expect((await at(port, version, session)).resumed).toBe(true)
  })
})

/** The ticket within a session that node gives: the longest OCTET STRING in tag [10] of the ASN.1 form (RFC 5077). */
function ticketOf(session: Buffer): Buffer {
  for (let at = 0; at < session.length - 8; at++) {
    // [10] EXPLICIT OCTET STRING, each with a length of one or two bytes behind 0x81 or 0x82.
    if (session[at] !== 0xaa) continue
    const outer = lengthAt(session, at + 1)
    if (outer === undefined || session[outer.next] !== 0x04) continue
    const inner = lengthAt(session, outer.next + 1)
    if (inner === undefined || inner.next + inner.length !== outer.next + outer.length || inner.length < 100) continue
    return session.subarray(inner.next, inner.next + inner.length)
  }
  throw new Error('the session has no ticket')
}

function lengthAt(bytes: Buffer, at: number): { length: number; next: number } | undefined {
  const first = bytes[at]!
  if (first < 0x80) return { length: first, next: at + 1 }
  if (first === 0x81) return { length: bytes[at + 1]!, next: at + 2 }
  if (first === 0x82) return { length: bytes.readUInt16BE(at + 1), next: at + 3 }
  return undefined
}

test('nobody who prints the keys, or what holds them, sees them', () => {
  const told = secrets()
  const keys = new TicketKeys()
  keys.adopt(told)
  const context = createSecureContext({ key, cert })
  keys.apply(context, 'web')
  const shown = [inspect(keys, { depth: 9 }), JSON.stringify(keys), inspect(context, { depth: 9 })].join()
  for (const form of ['hex', 'base64'] as const) {
    expect(shown).not.toContain(Buffer.from(told.current.subarray(0, 6)).toString(form))
  }
  expect(shown).not.toMatch(/<Buffer/)
})
