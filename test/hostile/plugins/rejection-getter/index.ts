import { definePlugin } from 'postern/sdk'

const loop = (): never => {
  for (;;);
}

/** The engine itself looks at a rejection that nobody handles, after the time limit has been put away. */
export default definePlugin({
  name: 'rejection-getter',
  onRequest() {
    Promise.reject(
      Object.defineProperties(new Error('look'), {
        message: { get: loop },
        stack: { get: loop },
        name: { get: loop },
      }),
    )
  },
})
