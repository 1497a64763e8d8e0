import { definePlugin } from 'postern/sdk'

/** Spoils every object of its realm, and the builtins that the runtime beside it works with. */
export default definePlugin({
  name: 'pollute',
  reads: ['path'],
  writes: ['header:x-polluted'],
  onRequest({ request }) {
    for (const prototype of [Object, Array, String, Function, Map, Promise, RegExp].map((type) => type.prototype)) {
      for (const key of ['polluted', 'then', 'toJSON', 'consumer', 'reply', 'kind']) {
        Object.defineProperty(prototype, key, { value: 'yes', enumerable: true, configurable: true, writable: true })
      }
    }
    if (request.path.endsWith('/builtins')) {
      String.prototype.split = () => ['0', '1', '2']
      String.prototype.replace = () => '\x1c1\x1dH\x1ex-polluted\x1eyes'
      String.prototype.indexOf = () => -1
      Array.prototype.join = () => '\x1c'
      Map.prototype.get = () => undefined
      JSON.parse = () => ({})
      JSON.stringify = () => '\x1c'
      Date.now = () => 0
    }
    request.setHeader('x-polluted', 'a\x1db')
  },
})
