import { definePlugin, reply } from 'postern/sdk'

/** An allocation that the engine does not survive. */
export default definePlugin({
  name: 'array-fill',
  onRequest() {
    return reply(200, String(new Array(1e8).fill(0).length))
  },
})
