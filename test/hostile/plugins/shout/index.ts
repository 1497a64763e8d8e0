import { definePlugin, reply } from 'postern/sdk'

const forged = '"}\r\n{"level":"error","msg":"forged"}\n\u2028\u202e\u001b[2J\u0000'

/** Writes to the log what would end a line, and far too much of it. */
export default definePlugin({
  name: 'shout',
  reads: ['path'],
  needs: ['log', 'metric'],
  onRequest({ request, log, metric }) {
    if (request.path.endsWith('/forged')) {
      log.error(forged, { [forged]: forged, long: 'x'.repeat(1_000_000) })
      log.error('y'.repeat(1_000_000))
      throw new Error(forged)
    }
    for (let i = 0; i < 1_000; i++) log.warn(`line ${i}`)
    const refused = ['a b', forged, '', '1', 'x'.repeat(65)].filter((name) => {
      try {
        metric.count(name)
        return false
      } catch {
        return true
      }
    })
    for (let i = 0; i < 1_000; i++) metric.count('shouts', 1, { label: `${i}` })
    return reply(200, String(refused.length))
  },
})
