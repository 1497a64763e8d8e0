import type { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { echoBackend } from '../helpers/backend.ts'
import { open } from '../helpers/client.ts'
import { httpConfig, startGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { footprint, measurable } from '../hostile/footprint.ts'
import { createAuthority } from './certificates.ts'
import { clientHello } from './raw-handshake.ts'
import { visit } from './visit.ts'

const authority = createAuthority()
const { ca } = authority
const web = authority.issue()

test('1,000 handshakes that stop in the middle hold no healthy client up, and leave nothing behind', async () => {
  const backend = await echoBackend()
  const tls = { certificates: [{ cert: 'web.crt', key: 'web.key' }] }
  // Longer than the test takes: only the clients end what they have begun.
  const listeners = { web: { protocol: 'https', tls, timeouts: { handshake: '10m' } } }
  const gateway = await startGateway(httpConfig([backend.port], { listeners }), {
    'web.crt': web.chain,
    'web.key': web.key,
  })
  const port = gateway.port('web')
  const expectServed = async (): Promise<void> => {
    for (let i = 0; i < 10; i++) {
      const { text, error } = await visit(port, { ca })
      expect({ text, error }).toMatchObject({ text: expect.stringMatching(/^HTTP\/1\.1 200 /), error: undefined })
    }
  }
  const handles = (): number => gateway.process.workers().reduce((sum, pid) => sum + (footprint(pid)?.handles ?? 0), 0)
  await expectServed()
  const before = handles()
  const hello = await clientHello()
  const sockets: Socket[] = []
  const attack = async (bytes: Buffer): Promise<void> => {
    for (let i = 0; i < 500; i++) {
      const socket = await open(port)
      socket.write(bytes)
      sockets.push(socket)
    }
  }
  await attack(hello)
  await expectServed()
  await attack(hello.subarray(0, -1))
  await expectServed()
  // So many more that the bound on those at once is reached in both workers.
  await attack(hello)
  await attack(hello)
  await expectServed()
  if (measurable) expect(handles()).toBeGreaterThan(before + 500)
  for (const socket of sockets) socket.destroy()
  // Connections to the backend may have been made since.
  if (measurable)
    await until(
      () => `descriptors: ${before} → ${handles()}`,
      () => handles() < before + 30,
    )
  await expectServed()
  expect(gateway.process.workers()).toHaveLength(2)
  expect(gateway.log.filter(({ msg }) => msg === 'worker died')).toEqual([])
})
