import { definePlugin, reply } from 'postern/sdk'
import { scan } from './scan.ts'

/** Looks for an object of another realm in everything that the builtins of its own return or throw. */
export default definePlugin({
  name: 'scan',
  reads: ['path'],
  onRequest() {
    const values = [
      globalThis,
      async () => {},
      function* () {},
      async function* () {},
      [].values(),
      new Map().values(),
      new Set().values(),
      ''[Symbol.iterator](),
      ''.matchAll(/a/g),
      Iterator.from({ next: () => ({ done: true, value: undefined }) }),
    ]
    return reply(200, { ...scan(values, (end) => end === null || end === Object.prototype) })
  },
})
