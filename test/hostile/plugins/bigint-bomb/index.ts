import { definePlugin, reply } from 'postern/sdk'

/** One builtin that takes minutes and does not look up: no time limit reaches it. */
export default definePlugin({
  name: 'bigint-bomb',
  onRequest() {
    return reply(200, (2n ** (2n ** 26n)).toString())
  },
})
