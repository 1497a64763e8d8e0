import { definePlugin, reply } from 'postern/sdk'

/** The pattern, and not the input, is to blame: 2^40 steps. */
export default definePlugin({
  name: 'regex-bomb',
  onRequest() {
    if (/^(a+)+$/.test(`${'a'.repeat(40)}!`)) return reply(403)
  },
})
