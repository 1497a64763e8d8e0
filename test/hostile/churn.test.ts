import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { newAgent } from '../helpers/client.ts'
import { until } from '../helpers/until.ts'
import { footprintOf, growth, lastingFootprintOf, measurable } from './footprint.ts'
import { arena, expectRefused } from './harness.ts'
import { expectUnharmed, underAttack } from './siege.ts'

test('10⁴ small offences leave nothing behind', { timeout: 600_000 }, async () => {
  // Time enough for a busy machine: none of these offences is one of time.
  const ring = await arena(['cheap'], { limits: { cheap: { time: '1s' } }, companions: false })
  const clients = 16
  const attack = async (path: string, kinds: number, rounds: number): Promise<string> => {
    const statuses = new Map<number, number>()
    let left = rounds
    // Every other one keeps its connection, the rest open one for each offence.
    const client = async (index: number): Promise<void> => {
      const agent = index % 2 === 0 ? newAgent({ keepAlive: true, maxSockets: 1 }) : undefined
      while (left-- > 0) {
        const answer = await ring.bad('cheap', `${path}/${left % kinds}`, agent && { agent })
        if (answer.status !== 200) expectRefused(answer, [500, 503])
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
      }
      agent?.destroy()
    }
    await Promise.all(Array.from({ length: clients }, (_, index) => client(index)))
    return [...statuses].map(([status, count]) => `${count} × ${status}`).join(', ')
  }
  // What is allocated once, buffers and pools and compiled code, is allocated by now.
  await attack('/quiet', 4, 8_000)
  const before = await lastingFootprintOf(ring)
  const siege = await underAttack(ring, async () => [
    await attack('/quiet', 4, 10_000),
    await attack('/loud', 2, 1_000),
  ])
  await until('idle connections to close', () => footprintOf(ring).handles <= before.handles + clients * 2)
  const after = footprintOf(ring)
  const [quiet, loud] = siege.result
  expectUnharmed('10⁴ small offences', siege, `quiet ${quiet}; loud ${loud}; growth: ${growth(before, after)}`)
  const causes = ring.log().flatMap(({ msg, cause }) => (msg === 'policy failed' ? [String(cause).slice(0, 200)] : []))
  const told = new Set(causes.filter((cause) => !/thrown:|characters that a header|quarantined/.test(cause)))
  expect(quiet, [...told].join('; ')).toBe('10000 × 200')
  expect(loud).not.toMatch(/× 200\b/)
  if (!measurable) return
  expect(after.memory - before.memory).toBeLessThan(64 * (ring.base.workers ?? 1))
  // The engine has a pool of them, which grows with what is done at once; a leak would be hundreds.
  expect(after.threads).toBeLessThanOrEqual(before.threads + 40)
})

test('10⁴ configuration updates in one worker leave nothing behind', async () => {
  const script = join(import.meta.dirname, 'ten-thousand-updates.ts')
  const child = spawn(process.execPath, ['--no-node-snapshot', '--expose-gc', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => {
    if (child.exitCode === null) child.kill('SIGKILL')
  })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  expect(code, text).toBe(0)
  const found = JSON.parse(text) as {
    updates: number
    status: number
    heap: number
    handles: number
    perUpdate: number
  }
  console.log(`hostile: ${found.updates} configuration updates: ${text.trim()}`)
  expect(found).toMatchObject({ updates: 10_000, status: 200 })
  // A snapshot that is not let go of holds some 10 KB.
  expect(found.heap).toBeLessThan(20)
  expect(found.handles).toBeLessThanOrEqual(0)
})
