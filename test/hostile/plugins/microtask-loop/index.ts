import { definePlugin } from 'postern/sdk'

/** Never returns to the host, though no function of it runs for long. */
export default definePlugin({
  name: 'microtask-loop',
  async onRequest() {
    for (;;) await undefined
  },
})
