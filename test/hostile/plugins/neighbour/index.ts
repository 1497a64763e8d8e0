import { definePlugin } from 'postern/sdk'

/** The innocent one: shares the isolate with whatever is tried beside it, waits in the middle, and says what it saw. */
export default definePlugin({
  name: 'neighbour',
  reads: ['path'],
  writes: ['header:x-neighbour'],
  needs: ['digest'],
  async onRequest({ request, digest }) {
    const before = request.path
    const sum = await digest.sha256(before)
    const polluted = Object.keys({}).length + ('polluted' in {} ? 1 : 0)
    request.setHeader('x-neighbour', `${before} ${sum} ${request.path} ${polluted}`)
  },
})
