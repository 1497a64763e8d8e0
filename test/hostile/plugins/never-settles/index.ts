import { definePlugin } from 'postern/sdk'

/** Waits for what never comes. */
export default definePlugin({
  name: 'never-settles',
  onRequest() {
    return new Promise<void>(() => {})
  },
})
