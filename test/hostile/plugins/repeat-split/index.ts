import { definePlugin, reply } from 'postern/sdk'

/** An allocation that the engine does not survive. */
export default definePlugin({
  name: 'repeat-split',
  onRequest() {
    return reply(200, String('x'.repeat(5e8).split('').length))
  },
})
