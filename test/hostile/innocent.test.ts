import { describe, expect, test } from 'vitest'
import { until } from '../helpers/until.ts'
import { serving } from './footprint.ts'
import { type Arena, arena, isGood } from './harness.ts'
import { underAttack } from './siege.ts'

type Attacks = readonly (readonly [plugin: string, path: string, times: number])[]

/** Attacks of this suite, and how often each is sent. The last ones end processes. */
const attacks: Attacks = [
  ['outside', '/resizable', 10],
  ['outside', '/growable', 5],
  ['outside', '/intl', 12],
  ['outside', '/locale', 12],
  ['outside', '/registry', 5],
  ['outside', '/imitate', 12],
  ['outside', '/text', 5],
  ['outside', '/stack', 5],
  ['outside', '/ballast', 25],
  ['escape', '/all', 2],
  ['pollute', '/builtins', 2],
  ['operations', '/writes', 2],
  ['state-overflow', '/10000000', 2],
  ['scope', '/header', 5],
  ['hoard', '/limits', 2],
  ['hoard', '/keys', 2],
  ['hoard', '/slices', 5],
  ['hoard', '/rejections', 10],
  ['loop-after-await', '/', 2],
  ['sync-loop', '/', 3],
  ['microtask-loop', '/', 3],
  ['regex-bomb', '/', 3],
  ['throw-getter', '/error', 3],
  ['heap-growth', '/', 10],
  ['concat-burst', '/', 2],
  ['array-fill', '/', 4],
  ['bigint-bomb', '/', 4],
]

/** More that end processes. */
const deadly: Attacks = [
  ['rejection-getter', '/', 2],
  ['repeat-split', '/', 2],
  ['prepare-stack-trace', '/rejected', 2],
]

async function whole(ring: Arena): Promise<void> {
  await until('all workers', () => serving(ring).length === (ring.base.workers ?? 1), 30_000)
}

/**
 * All attacks, one after the other, while other clients ask the neighbour's route: its plugin is neither quarantined nor
 * paused, whatever the others do, and answers in the end.
 */
describe('an innocent plugin is never quarantined for another one’s deed', () => {
  test.for([
    ['in the same group', undefined, attacks],
    ['in a group of its own', 'plugin', attacks],
    ['in the same group, beside what ends processes', undefined, deadly],
    ['in a group of its own, beside what ends processes', 'plugin', deadly],
  ] as const)('%s', { timeout: 400_000 }, async ([, isolation, sent]) => {
    const plugins = [...new Set(sent.map(([plugin]) => plugin))]
    // Its code is cold in each new isolate.
    const limits = { neighbour: { time: '500ms' }, outside: { time: '200ms' }, 'heap-growth': { time: '500ms' } }
    const ring = await arena(plugins, {
      ofItsOwn: true,
      limits,
      // For the backend, which runs in this process and may have to wait for it.
      timeouts: { connect: '30s' },
      ...(isolation && { isolation: { neighbour: isolation } }),
    })
    await whole(ring)
    const siege = await underAttack(ring, async () => {
      const statuses: string[] = []
      for (const [plugin, path, times] of sent) {
        for (let i = 0; i < times; i++) {
          const { status } = await ring.bad(plugin, path)
          statuses.push(`${plugin}${path} ${status}`)
          if (status === 0) await whole(ring)
          if (status === 503) break
        }
      }
      return statuses
    })
    await whole(ring)
    const answer = await ring.ask('/good/last')
    expect(isGood(answer, '/good/last'), `${answer.status} ${answer.body}`).toBe(true)
    const told = ring.log().filter(({ msg }) => msg === 'quarantine')
    expect(told.filter(({ plugin }) => plugin === 'neighbour')).toEqual([])
    expect(siege.failed).toEqual([])
    if (sent === attacks) {
      expect(siege.result).toContain('outside/resizable 500')
      expect(siege.result).toContain('outside/registry 200')
    }
    const stopped = [...new Set(told.map(({ plugin }) => plugin))].join(', ')
    console.log(
      `hostile: innocent ${isolation ?? 'together'}: good ${siege.good}, lost ${siege.lost}; stopped: ${stopped}`,
    )
  })
})
