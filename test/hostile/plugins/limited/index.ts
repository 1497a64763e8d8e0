import { definePlugin, reply } from 'postern/sdk'

/** An honest user of every grant that keeps something. */
export default definePlugin({
  name: 'limited',
  reads: ['path'],
  needs: ['counter', 'kv', 'jwt'],
  async onRequest({ counter, kv, jwt }) {
    const { allowed } = await counter.take('key', { points: 5, duration: 3_600 })
    await kv.set('key', 'value', 3_600)
    const stored = await kv.get('key')
    const token = 'eyJhbGciOiJIUzI1NiJ9.e30.'
    const refused = await jwt
      .verify(token, { secret: 's'.repeat(32) })
      .catch(({ reason }: { reason: string }) => reason)
    return reply(200, { allowed, stored, refused })
  },
})
