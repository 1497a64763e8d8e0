import { type AddressInfo, createServer } from 'node:net'
import { constants } from 'node:os'
import { expect, onTestFinished, test } from 'vitest'
import { acceptStreams } from '../../core/net/accept.ts'
import type { ByteStream } from '../../core/net/byte-stream.ts'
import { descriptors } from '../../core/net/descriptors.ts'
import { open } from '../helpers/client.ts'
import { until } from '../helpers/until.ts'

test('a connection that cannot be accepted is no end of the process; a lack of descriptors is reported', async () => {
  const limits: number[] = []
  onTestFinished(descriptors.watch((limit) => void limits.push(limit)))
  const accepted: ByteStream[] = []
  const server = createServer()
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  acceptStreams(server, (stream) => void accepted.push(stream))
  const { _handle: handle } = server as unknown as { _handle: { onconnection(status: number): void } }
  handle.onconnection(-constants.errno.ECONNABORTED)
  expect(limits).toEqual([])
  for (let i = 0; i < 3; i++) handle.onconnection(-constants.errno.EMFILE)
  expect(limits).toEqual([descriptors.limit])
  expect(descriptors.limit).toBeGreaterThan(0)
  await open((server.address() as AddressInfo).port)
  await until('the next connection', () => accepted.length === 1)
  accepted[0]!.destroy()
})
