import { expect, test } from 'vitest'
import { flowId } from '../../core/flow/flow-id.ts'

test('identifiers are UUIDs of version 8 that differ, also where the counter carries', () => {
  const ids = Array.from({ length: 0x10000 + 2 }, flowId)
  expect(new Set(ids).size).toBe(ids.length)
  for (const id of ids.slice(-0x1000))
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(new Set(ids.map((id) => id.slice(0, 24))).size).toBe(1)
})
