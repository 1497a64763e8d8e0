import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { ToWorker } from '../../core/process/channel.ts'
import { SharedState } from '../../core/process/shared-state.ts'
import { Log } from '../../core/telemetry/log.ts'
import { TicketRotation, type TicketSecrets } from '../../core/tls/ticket-rotation.ts'

const day = 24 * 60 * 60 * 1000

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('every day there is a new secret, the one before still opens tickets, and older ones are forgotten', () => {
  const seen: TicketSecrets[] = []
  const rotation = new TicketRotation((secrets) => seen.push(secrets))
  const first = rotation.secrets
  expect(first.previous).toBeUndefined()
  vi.advanceTimersByTime(day - 1)
  expect(seen).toEqual([])
  vi.advanceTimersByTime(1)
  vi.advanceTimersByTime(day)
  expect(seen).toHaveLength(2)
  expect(seen[0]!.previous).toEqual(first.current)
  expect(seen[1]!.previous).toEqual(seen[0]!.current)
  expect(rotation.secrets).toBe(seen[1])
  expect(new Set([first, ...seen].map(({ current }) => Buffer.from(current).toString('hex'))).size).toBe(3)
  expect(first.current).toHaveLength(64)
  rotation.close()
  vi.advanceTimersByTime(3 * day)
  expect(seen).toHaveLength(2)
})

test('a new worker is told the secrets of the moment before its first connection, the others when they change', () => {
  const lines: string[] = []
  const told: ToWorker[] = []
  const shared = new SharedState(new Log({ write: (line) => void lines.push(line) }), (message) => told.push(message))
  const briefed = (): TicketSecrets[] =>
    shared.briefing().flatMap((message) => (message.type === 'tickets' ? [message.secrets] : []))
  const [first] = briefed()
  expect(first!.current).toHaveLength(64)
  vi.advanceTimersByTime(day)
  const news = told.flatMap((message) => (message.type === 'tickets' ? [message.secrets] : []))
  expect(news).toHaveLength(1)
  expect(news[0]!.previous).toEqual(first!.current)
  expect(briefed()).toEqual(news)
  expect(lines).toEqual([])
  shared.close()
  vi.advanceTimersByTime(day)
  expect(told).toHaveLength(1)
})
