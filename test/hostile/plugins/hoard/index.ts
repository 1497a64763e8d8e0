import { definePlugin, reply } from 'postern/sdk'

let calls = 0

/** Takes as much as it can of what the host keeps for plugins; what, its path says. */
export default definePlugin({
  name: 'hoard',
  reads: ['path'],
  writes: ['response.body'],
  needs: ['counter', 'jwt', 'kv', 'metric'],
  async onRequest({ request, counter, jwt, kv, metric }) {
    const call = calls++
    const outcomes = new Set<string>()
    const attempt = async (act: () => Promise<unknown>): Promise<void> => {
      await act().then(
        () => outcomes.add('done'),
        ({ reason }: { reason: string }) => outcomes.add(reason),
      )
    }
    if (request.path.endsWith('/limits')) {
      for (let i = 0; i < 60; i++) {
        await attempt(() => counter.take('k', { points: 1 + call * 60 + i, duration: 2_000_000 }))
      }
    } else if (request.path.endsWith('/keys')) {
      for (let i = 0; i < 60; i++)
        await attempt(() => counter.take(`${call} ${i} `.padEnd(512, 'k'), { points: 1, duration: 60 }))
    } else if (request.path.endsWith('/verify')) {
      for (let i = 0; i < 60; i++) await attempt(() => jwt.verify('e30.e30.', { secret: 's'.repeat(32) }))
    } else if (request.path.endsWith('/unawaited')) {
      for (let i = 0; i < 60; i++) void jwt.verify('e30.e30.', { secret: 's'.repeat(32) }).catch(() => {})
    } else if (request.path.endsWith('/slices')) {
      await kv.set(`a key of twenty-eight ${String(call).padStart(6)}`, 'a value of twenty ch', 3_600)
      metric.count('kept', 1, { label: `a label of this call ${call % 100}` })
    } else if (request.path.endsWith('/rejections')) {
      void Promise.reject(new Error('left alone '.repeat(200)))
    }
    if (outcomes.size > 0) return reply(200, [...outcomes].join('; '))
  },
  onResponse({ request, response }) {
    if (request.path.endsWith('/slices')) response.setBody('b'.repeat(1_000_000))
  },
})
