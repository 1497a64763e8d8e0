import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type SessionNews, SessionPlaces } from '../../core/listen/session-places.ts'
import { SlotSessions } from '../../core/process/slot-sessions.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function places(): { told: SessionNews[]; slot: SlotSessions; places: SessionPlaces } {
  const told: SessionNews[] = []
  const slot = new SlotSessions()
  const made = new SessionPlaces((news) => {
    told.push(news)
    slot.hear(news)
  })
  return { told, slot, places: made }
}

test('clients and their backends are told together within a second, and short sessions not at all', () => {
  const { told, slot, places: worker } = places()
  worker.place('a', '1')
  worker.place('b', '2')
  worker.place('c', '3')
  worker.end('c')
  expect(told).toEqual([])
  vi.advanceTimersByTime(1_000)
  expect(told).toEqual([
    {
      placed: [
        ['a', '1'],
        ['b', '2'],
      ],
      ended: [],
    },
  ])
  worker.end('a')
  vi.advanceTimersByTime(1_000)
  expect(slot.news.placed).toEqual([['b', '2']])
})

test('the next worker uses each once, and forgets clients that do not come back', () => {
  const first = places()
  first.places.place('a', '1')
  first.places.place('b', '2')
  vi.advanceTimersByTime(1_000)
  const told: SessionNews[] = []
  const next = new SessionPlaces((news) => {
    told.push(news)
    first.slot.hear(news)
  })
  next.adopt(first.slot.news)
  next.expire(30_000)
  expect(next.take('a')).toBe('1')
  expect(next.take('a')).toBeUndefined()
  next.place('a', '1')
  vi.advanceTimersByTime(40_000)
  expect(next.take('b')).toBeUndefined()
  expect(first.slot.news.placed).toEqual([['a', '1']])
})

test('a slot remembers the 65,536 that began last', () => {
  const slot = new SlotSessions()
  for (let i = 0; i < 70_000; i += 100) {
    slot.hear({ placed: Array.from({ length: 100 }, (_, j) => [`${i + j}`, 'b'] as const), ended: [] })
  }
  const { placed } = slot.news
  expect([placed.length, placed[0]![0], placed.at(-1)![0]]).toEqual([65_536, '4464', '69999'])
})
