import { definePlugin } from 'postern/sdk'

/** Honest work of the same CPU time each time, whatever the clock says, without ever waiting. */
export default definePlugin({
  name: 'steady',
  reads: ['path'],
  writes: ['header:x-steady'],
  onRequest({ request }) {
    let sum = 0
    for (let i = 0; i < 20_000; i++) sum = (sum * 31 + i) | 0
    request.setHeader('x-steady', `${request.path} ${sum}`)
  },
})
