import { definePlugin, reply } from 'postern/sdk'

/** Strings that cost nothing until one looks at them; then each is 64 MB at once. */
export default definePlugin({
  name: 'concat-burst',
  onRequest() {
    const kept: string[] = []
    for (let n = 0; n < 64; n++) {
      let text = `€${n}`
      while (text.length < 2 ** 25) text += text
      if (text.indexOf('never', text.length - 10) !== -1) break
      kept.push(text)
    }
    return reply(200, String(kept.length))
  },
})
