import { definePlugin } from 'postern/sdk'

/** Loops where a hook goes on after the host has done something for it. */
export default definePlugin({
  name: 'loop-after-await',
  needs: ['digest'],
  async onRequest({ digest }) {
    await digest.sha256('a')
    for (;;);
  },
})
