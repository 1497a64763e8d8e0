import { expect, test } from 'vitest'
import { capturePattern } from '../../core/route/captures.ts'
import { PathLayer } from '../../core/route/path-layer.ts'

test('a path of many segments takes about as long among prefixes of many lengths as of one, beside captures', () => {
  const time = (lengths: number): number => {
    const layer = new PathLayer<string>()
    layer.atCaptures(capturePattern('/users/{id}/*')!, () => 'captures')
    for (let i = 1; i <= lengths; i++) layer.at({ kind: 'affix', text: `/${'b'.repeat(i)}/` }, () => 'prefix')
    expect([...layer.seal()]).toHaveLength(lengths + 1)
    let best = Number.POSITIVE_INFINITY
    for (let round = 0; round < 30; round++) {
      const since = performance.now()
      expect(layer.find(`/${'a/'.repeat(8_000)}`, (found) => found)).toBeUndefined()
      best = Math.min(best, performance.now() - since)
    }
    return best
  }
  expect(time(2_000) / time(1)).toBeLessThan(8)
})
