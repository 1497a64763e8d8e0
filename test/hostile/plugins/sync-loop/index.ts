import { definePlugin } from 'postern/sdk'

export default definePlugin({
  name: 'sync-loop',
  onRequest() {
    for (;;);
  },
})
