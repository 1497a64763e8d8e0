import { definePlugin } from 'postern/sdk'

/** Honest work of about a millisecond, twice: before and after it waits. */
export default definePlugin({
  name: 'slow',
  reads: ['path'],
  writes: ['header:x-slow'],
  async onRequest({ request }) {
    work()
    await undefined
    work()
    request.setHeader('x-slow', request.path)
  },
})

function work(): void {
  const end = Date.now() + 1
  while (Date.now() < end);
}
