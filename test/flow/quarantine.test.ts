import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { echoBackend } from '../helpers/backend.ts'
import { send } from '../helpers/client.ts'
import { httpConfig, startGateway } from '../helpers/gateway.ts'

const plugin = (body: string): string => `
import { definePlugin } from 'postern/sdk'
export default definePlugin({ name: 'bad', onRequest() { ${body} } })`

it('a plugin that keeps running out of time is quarantined on every worker, and let go by a mended one', async () => {
  const backend = await echoBackend()
  const config = httpConfig([backend.port], {
    routes: {
      strict: { listener: 'web', upstream: 'app', match: { path: '/strict' }, policies: ['strict'] },
      lax: { listener: 'web', upstream: 'app', match: { path: '/lax' }, policies: ['lax'] },
    },
    policies: { strict: { plugin: 'bad' }, lax: { plugin: 'bad', onFailure: 'continue' } },
  })
  const running = await startGateway(config, { 'plugins/bad/index.ts': plugin('while (true) {}') })
  const port = running.port('web')
  // Between its faults it rests, and its calls fail at once: many answers are few faults.
  const statuses = new Set<number>()
  while (!statuses.has(503)) statuses.add((await send(port, '/strict')).status)
  expect(statuses).toEqual(new Set([500, 503]))
  expect(await running.record(({ msg }) => msg === 'quarantine')).toMatchObject({
    ...{
      plugin: 'bad',
      policies: ['strict', 'lax'],
      state: 'open',
      for: expect.stringMatching(/^(\d+s|until its code changes)$/),
    },
  })
  expect(await running.record(({ msg, outcome }) => msg === 'request' && outcome === 'PQ:bad')).toMatchObject({
    status: 503,
  })
  // Whoever said that the policy may be passed over is served, and so is everybody else.
  for (let i = 0; i < 8; i++) {
    expect((await send(port, '/strict')).status).toBe(503)
    expect((await send(port, '/lax')).status).toBe(200)
    expect((await send(port, '/other')).status).toBe(200)
  }
  writeFileSync(join(running.folder, 'plugins/bad/index.ts'), plugin(''))
  await running.reload(config)
  for (let i = 0; i < 8; i++) expect((await send(port, '/strict')).status).toBe(200)
})
