import { expect, it } from 'vitest'
import { httpBackend } from '../helpers/backend.ts'
import { open } from '../helpers/client.ts'
import { httpConfig, startGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'

it('SIGTERM to all processes at once, as systemd sends it, lets requests under way finish', async () => {
  const waiting: (() => void)[] = []
  const backend = await httpBackend((_request, response) => {
    waiting.push(() => response.end('done'))
  })
  const { process: gateway, port } = await startGateway(httpConfig([backend.port]))
  const workers = await until('two workers', () => gateway.workers().length === 2 && gateway.workers())
  const texts = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const socket = await open(port('web'))
      const chunks: string[] = []
      socket.on('data', (chunk: Buffer) => chunks.push(chunk.toString()))
      socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
      return () => chunks.join('')
    }),
  )
  await until('the requests', () => waiting.length === 4)
  for (const pid of workers) process.kill(pid, 'SIGTERM')
  // The workers have told the supervisor by now, which replaces them: successors are starting.
  await new Promise((resolve) => setTimeout(resolve, 50))
  gateway.child.kill('SIGTERM')
  await gateway.record(({ msg }) => msg === 'draining')
  for (const release of waiting) release()
  await until('the answers', () => texts.every((text) => text().includes('done')))
  expect(await gateway.exited).toEqual({ code: 0, signal: null })
  expect(gateway.log().filter(({ msg }) => msg === 'worker died')).toEqual([])
})
