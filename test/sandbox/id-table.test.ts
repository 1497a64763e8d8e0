import fc from 'fast-check'
import { expect, test } from 'vitest'
import { IdTable } from '../../core/sandbox/id-table.ts'

test('is a Map for whole numbers', () => {
  // Ids that are close together, far apart, and that share a slot.
  const id = fc.oneof(
    fc.nat(100),
    fc.nat(40).map((i) => i * 64),
    fc.nat(),
    fc.nat(8).map((i) => 2 ** 40 + i * 64),
  )
  const step = fc.tuple(fc.constantFrom('set', 'set', 'delete', 'get', 'clear'), id)
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const table = new IdTable<string>()
      const map = new Map<number, string>()
      for (const [i, [what, number]] of steps.entries()) {
        if (what === 'set') {
          table.set(number, `${i}`)
          map.set(number, `${i}`)
        } else if (what === 'delete') expect(table.delete(number)).toBe(map.delete(number))
        else if (what === 'clear' && i % 7 === 0) {
          table.clear()
          map.clear()
        }
        expect(table.get(number)).toBe(map.get(number))
        expect(table.size).toBe(map.size)
      }
      const sorted = [...map].sort(([a], [b]) => a - b).map(([, value]) => value)
      expect(table.values()).toEqual(sorted)
    }),
  )
})
