import { definePlugin } from 'postern/sdk'

/** V8 calls it whenever it puts a stack trace into words, on whose behalf ever. */
export default definePlugin({
  name: 'prepare-stack-trace',
  reads: ['path'],
  onRequest({ request }) {
    Error.prepareStackTrace = () => {
      for (;;);
    }
    if (request.path.endsWith('/rejected')) Promise.reject(new Error('look'))
    else if (request.path.endsWith('/overflow')) return overflow()
    else throw new Error('look')
  },
})

function overflow(): never {
  return overflow()
}
