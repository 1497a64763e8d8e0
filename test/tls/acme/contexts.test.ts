import { describe, expect, test } from 'vitest'
import { AcmeState } from '../../../core/acme/acme-state.ts'
import type { ServerTlsConfig } from '../../../core/tls/server-config.ts'
import { ServerContexts } from '../../../core/tls/server-contexts.ts'
import { TicketKeys } from '../../../core/tls/ticket-keys.ts'
import { createAuthority } from '../certificates.ts'

const authority = createAuthority()
const managed = { managed: 'one', names: ['a.example', 'b.example'] }

function issue(): { id: string; cert: string; key: string } {
  const { chain, key } = authority.issue({ names: managed.names })
  return { id: 'one', cert: chain, key }
}

function contextsOf(state: AcmeState, more: Partial<ServerTlsConfig> = {}): ServerContexts {
  const config: ServerTlsConfig = {
    certificates: [managed],
    minVersion: '1.2',
    tickets: true,
    strict: false,
    ...more,
  }
  return new ServerContexts('web', config, new TicketKeys(), state)
}

/** The context for a client, or why it gets none. */
function find(contexts: ServerContexts, name: string | undefined): unknown {
  const offer = contexts.find(name)
  return typeof offer === 'string' ? offer : offer.context
}

describe('the contexts of a certificate that is ordered', () => {
  test('are not there before it is issued, one for all of its names then, and another one when it is renewed', () => {
    const state = new AcmeState()
    const contexts = contextsOf(state)
    const pending = 'the certificate for this name has not been issued yet'
    expect(find(contexts, 'a.example')).toBe(pending)
    expect(find(contexts, undefined)).toBe(pending)
    state.install([issue()])
    const first = find(contexts, 'a.example')
    expect(first).toBeTypeOf('object')
    expect(find(contexts, 'b.example')).toBe(first)
    expect(find(contexts, undefined)).toBe(first)
    state.install([issue()])
    const second = find(contexts, 'b.example')
    expect(second).not.toBe(first)
    expect(find(contexts, 'a.example')).toBe(second)
  })

  test('stay through reloads', () => {
    const state = new AcmeState()
    state.install([issue()])
    const contexts = contextsOf(state)
    const context = find(contexts, 'a.example')
    const next = contexts.next('web', { ...contexts.config, strict: true })
    expect(find(next, 'a.example')).toBe(context)
    expect(find(next, 'c.example')).toBe('no certificate is for "c.example", and the listener is strict')
    expect(find(next, undefined)).toBe('the client names no server, and the listener is strict')
  })

  test('have the certificate of a file beside it, with another kind of key, alone until it is issued', () => {
    const state = new AcmeState()
    const { chain: cert, key } = authority.issue({ names: ['a.example'], key: 'rsa' })
    const file = { id: 'file', names: ['a.example'], kind: 'RSA', cert, key }
    const contexts = contextsOf(state, { certificates: [managed, file] })
    const alone = find(contexts, 'a.example')
    expect(alone).toBeTypeOf('object')
    expect(find(contexts, 'b.example')).toBeTypeOf('string')
    state.install([issue()])
    expect(find(contexts, 'a.example')).not.toBe(alone)
    expect(find(contexts, 'b.example')).toBeTypeOf('object')
  })
})
