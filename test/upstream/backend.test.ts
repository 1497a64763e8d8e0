import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import type { UpstreamPool } from '../../core/http/upstream-exchange.ts'
import { Backend } from '../../core/upstream/backend.ts'
import { backendConfig } from './configs.ts'

test('takes host and port from the address', () => {
  const named = new Backend('app', backendConfig('app.internal:8080'))
  expect([named.host, named.port]).toEqual(['app.internal', 8080])
  const v6 = new Backend('app', backendConfig('[2001:db8::1]:80'))
  expect([v6.host, v6.port]).toEqual(['2001:db8::1', 80])
})

test('has an id of its upstream and address alone', () => {
  const { id } = new Backend('app', backendConfig('10.0.0.1:80', { weight: 7 }))
  expect(id).toBe(createHash('sha256').update('app\n10.0.0.1:80').digest('hex').slice(0, 16))
  expect(new Backend('other', backendConfig('10.0.0.1:80')).id).not.toBe(id)
})

test('is available only when up and healthy', () => {
  const backend = new Backend('app', backendConfig('10.0.0.1:80'))
  expect(backend.available).toBe(true)
  backend.healthy = false
  expect(backend.available).toBe(false)
  backend.healthy = true
  backend.state = 'drain'
  expect(backend.available).toBe(false)
})

test('closes its pool once it is retired and idle, as often as a late flow fills it', () => {
  const backend = new Backend('app', backendConfig('10.0.0.1:80'))
  let closed = 0
  const pool: UpstreamPool = { close: () => void closed++, send: () => expect.unreachable() }
  backend.pool = pool
  backend.acquire()
  backend.acquire()
  backend.retire()
  backend.release()
  expect(closed).toBe(0)
  backend.release()
  expect(closed).toBe(1)
  backend.acquire()
  backend.pool = pool
  backend.release()
  expect(closed).toBe(2)
})
