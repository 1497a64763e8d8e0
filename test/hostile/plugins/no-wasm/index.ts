import { definePlugin, reply } from 'postern/sdk'

const ways: Record<string, () => unknown> = {
  global: () => (globalThis as Record<string, unknown>).WebAssembly,
  function: () => Function('return WebAssembly')(),
  constructor: () => (async () => {}).constructor.prototype.constructor('return WebAssembly')(),
  descriptor: () => Object.getOwnPropertyDescriptor(globalThis, 'WebAssembly'),
  names: () => Object.getOwnPropertyNames(globalThis).find((name) => /wasm|assembly/i.test(name)),
  shared: () => (globalThis as Record<string, unknown>).SharedArrayBuffer,
  atomics: () => (globalThis as Record<string, unknown>).Atomics,
  process: () => (globalThis as Record<string, unknown>).process,
  require: () => Function('return require')(),
  import: () => (globalThis as Record<string, unknown>).ivm,
  dynamic: () => Function('return import("node:fs")')(),
}

/** Looks for memory that the limit does not cover, and for a way out to Node. */
export default definePlugin({
  name: 'no-wasm',
  async onRequest() {
    const found: string[] = []
    for (const [name, look] of Object.entries(ways)) {
      try {
        if ((await look()) !== undefined) found.push(name)
      } catch {
        // Not there, which is as it should be.
      }
    }
    return reply(200, { found })
  },
})
