import type { Agent } from 'node:http'
import { expect } from 'vitest'
import { newAgent } from '../helpers/client.ts'
import { type Arena, isGood } from './harness.ts'
import { type Answer, send } from './send.ts'

/** What innocent clients saw while something was going on beside them. */
export interface Siege<T> {
  readonly result: T
  readonly good: number
  /** Wrong or missing answers, in words; without those on connections that died with a worker. */
  readonly failed: readonly string[]
  /** Connections lost. */
  readonly lost: number
  /** Longest time without any good answer, ms. */
  readonly gap: number
  /** The slowest good answer, ms. */
  readonly slowest: number
}

/** Clients that ask all the time: these keep their connection, as many again open one each time. */
const lanes = 3
/** What a client does between two requests, ms. */
const pause = 25
/** How long it waits, ms: on a machine with ten processes for each core an answer is slow, not lost. */
const patience = 60_000
const connectionLost = new Set(['ECONNRESET', 'EPIPE', 'socket hang up'])

/**
 * Keeps asking the good route while the attack goes on: from before it begins until every client has had a good answer
 * after its end.
 */
export async function underAttack<T>(arena: Arena, attack: () => Promise<T>): Promise<Siege<T>> {
  const failed: string[] = []
  let good = 0
  let lost = 0
  let gap = 0
  let slowest = 0
  let last = 0
  let over = false
  const note = (answer: Answer, path: string): boolean => {
    const right = isGood(answer, path)
    if (right) {
      const now = performance.now()
      if (last > 0) gap = Math.max(gap, now - last)
      last = now
      good++
      slowest = Math.max(slowest, answer.ms)
    } else if (connectionLost.has(answer.error ?? '')) lost++
    else failed.push(`${answer.status} ${answer.error ?? answer.body.slice(0, 500)}`)
    return right
  }
  const client = async (lane: number, agent: Agent | undefined, ready: () => void): Promise<void> => {
    let calm = false
    for (let n = 0; !calm; n++) {
      const path = `/good/${lane}/${n}`
      const began = over
      const right = note(await send(arena.port, path, agent === undefined ? { patience } : { agent, patience }), path)
      if (n === 0) ready()
      calm = began && (right || failed.length > 100)
      if (!calm) await new Promise((resolve) => setTimeout(resolve, pause))
    }
    agent?.destroy()
  }
  const clients: Promise<void>[] = []
  const ready = Array.from({ length: lanes * 2 }, (_, lane) => {
    const agent = lane < lanes ? newAgent({ keepAlive: true, maxSockets: 1 }) : undefined
    return new Promise<void>((resolve) => clients.push(client(lane, agent, resolve)))
  })
  await Promise.all(ready)
  let result: T
  try {
    result = await attack()
  } finally {
    over = true
    await Promise.all(clients)
  }
  return { result, good, failed, lost, gap, slowest }
}

/**
 * Fails unless every innocent client got its answers, and prints what it was like.
 *
 * @param deaths how many workers the attack may have taken with it: only connections to those may be lost
 */
export function expectUnharmed(name: string, siege: Siege<unknown>, more = '', deaths = 0): void {
  const { good, failed, lost, gap, slowest } = siege
  const figures = `good ${good}, failed ${failed.length}, lost ${lost}, longest gap ${gap.toFixed(0)} ms, slowest ${slowest.toFixed(0)} ms`
  console.log(`hostile: ${name}: ${figures}${more === '' ? '' : `; ${more}`}`)
  expect(failed, name).toEqual([])
  expect(lost, `${name}: connections lost`).toBeLessThanOrEqual(deaths * lanes * 2)
  expect(good).toBeGreaterThanOrEqual(lanes * 2)
  expect(gap, `${name}: ms without a good answer`).toBeLessThan(deaths > 0 ? 15_000 : 5_000)
}
