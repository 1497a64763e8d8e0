import { definePlugin, reply } from 'postern/sdk'

/** Waits for the host again and again, and takes from a budget once: done twice it would show. */
export default definePlugin({
  name: 'suspended',
  reads: ['path'],
  writes: ['header:x-suspended'],
  needs: ['counter', 'digest'],
  async onRequest({ request, counter, digest }) {
    let sum = request.path
    for (let i = 0; i < 12; i++) sum = await digest.sha256(sum)
    const { allowed } = await counter.take(request.path, { points: 1, duration: 60 })
    for (let i = 0; i < 12; i++) sum = await digest.sha256(sum)
    if (!allowed) return reply(429, { title: 'taken twice' })
    request.setHeader('x-suspended', sum)
  },
})
