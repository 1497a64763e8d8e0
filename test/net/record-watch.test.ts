import { expect, test } from 'vitest'
import { RecordWatch } from '../../core/net/record-watch.ts'

function connection() {
  const counted = { wireBytes: 3_000, plainBytes: 0, ended: 0, onEmptyRecords: () => counted.ended++ }
  return counted
}

test('only a connection that has sent much that had next to no content is ended', () => {
  const watch = new RecordWatch()
  const [empty, small, upload, quiet] = [connection(), connection(), connection(), connection()]
  for (const one of [empty, small, upload, quiet]) watch.add(one)
  empty.wireBytes += 200_000
  // One byte in each record.
  small.wireBytes += 23 * 10_000
  small.plainBytes += 10_000
  upload.wireBytes += 1_000_000
  upload.plainBytes += 990_000
  quiet.wireBytes += 100_000
  watch.look()
  expect([empty, small, upload, quiet].map(({ ended }) => ended)).toEqual([1, 0, 0, 0])
  // What it sent before does not excuse it.
  upload.wireBytes += 200_000
  quiet.wireBytes += 10_000
  watch.look()
  expect([empty, small, upload, quiet].map(({ ended }) => ended)).toEqual([1, 0, 1, 0])
  // Little by little.
  quiet.wireBytes += 30_000
  watch.look()
  expect([empty, small, upload, quiet].map(({ ended }) => ended)).toEqual([1, 0, 1, 1])
  watch.delete(empty)
  empty.wireBytes += 200_000
  watch.look()
  expect(empty.ended).toBe(1)
  for (const one of [small, upload, quiet]) watch.delete(one)
})
