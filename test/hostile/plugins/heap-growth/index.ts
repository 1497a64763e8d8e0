import { definePlugin } from 'postern/sdk'

const kept: unknown[] = []

/** Keeps a little more of every request. */
export default definePlugin({
  name: 'heap-growth',
  writes: ['header:x-kept'],
  onRequest({ request }) {
    for (let i = 0; i < 40_000; i++) kept.push({ i, text: `entry ${i} of ${kept.length}` })
    request.setHeader('x-kept', String(kept.length))
  },
})
