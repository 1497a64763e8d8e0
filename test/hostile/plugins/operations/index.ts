import { definePlugin, reply } from 'postern/sdk'

/** Asks for 10⁵ things at once: writes, grants, or one of a size. */
export default definePlugin({
  name: 'operations',
  reads: ['path'],
  writes: ['header:x-n'],
  needs: ['counter'],
  async onRequest({ request, counter }) {
    if (request.path.endsWith('/writes')) for (let i = 0; i < 1e5; i++) request.setHeader('x-n', String(i))
    if (request.path.endsWith('/swallowed')) {
      for (let i = 0; i < 1e5; i++) {
        try {
          request.setHeader('x-n', String(i))
        } catch {
          // It goes on all the same.
        }
      }
    }
    if (request.path.endsWith('/grants')) {
      const all = Array.from({ length: 1e5 }, (_, i) => counter.take(`key ${i}`, { points: 1, duration: 60 }))
      await Promise.all(all)
    }
    if (request.path.endsWith('/size')) return reply(200, 'x'.repeat(1e6))
  },
})
