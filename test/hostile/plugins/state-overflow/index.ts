import { definePlugin, reply } from 'postern/sdk'

/** Leaves more for its later hooks than there is room for. */
export default definePlugin({
  name: 'state-overflow',
  reads: ['path'],
  onRequest({ request }) {
    const size = Number(request.path.split('/').at(-1))
    request.state = 's'.repeat(size)
  },
  onResponse({ state }) {
    return reply(200, String(state?.length))
  },
})
