/** What a plugin uses in the place of a global that other runtimes have. */
const instead: ReadonlyMap<string, string> = new Map(
  Object.entries({
    fetch: "add 'fetch' to needs and use fetch of the hook's argument",
    XMLHttpRequest: "add 'fetch' to needs and use fetch of the hook's argument",
    crypto: "add 'digest' to needs: it has sha256, hmac and random",
    setTimeout: 'a plugin has no timers; Date.now() tells the time, and kv forgets values after their ttl',
    setInterval: 'a plugin has no timers; Date.now() tells the time, and kv forgets values after their ttl',
    setImmediate: 'a plugin has no timers; Promise.resolve().then(…) runs after the code that is running',
    queueMicrotask: 'use Promise.resolve().then(…)',
    URL: 'use path, query and parameter(name) of the request',
    URLSearchParams: 'use parameter(name) of the request',
    TextEncoder: 'bodies take and give text as it is: setBody(text), body.text()',
    TextDecoder: 'bodies take and give text as it is: setBody(text), body.text()',
    Buffer: 'use Uint8Array, with fromBase64, toBase64, fromHex and toHex',
    atob: 'use Uint8Array.fromBase64(text)',
    btoa: 'use toBase64() of a Uint8Array',
    process: 'a plugin has no environment: pass what it needs in the options of its policy',
    require: 'use a static import; a plugin is bundled to one script',
    structuredClone: 'use JSON.parse(JSON.stringify(value))',
    WebAssembly: 'a plugin has none, because no limit would count its memory',
    SharedArrayBuffer: 'use ArrayBuffer; a plugin has one thread',
    Atomics: 'a plugin has one thread',
    'Intl.Segmenter': 'a plugin has none, because no limit would count its memory',
  }),
)

const undefinedName = /^(\w+) is not defined$/
const notCallable = /^(?:globalThis\.)?([\w.]+) is not a (?:function|constructor)$/

/** What to do about an error that says that a global does not exist; otherwise `undefined`. */
export function remedyFor(kind: string, message: string): string | undefined {
  const pattern = kind === 'ReferenceError' ? undefinedName : kind === 'TypeError' ? notCallable : undefined
  return instead.get(pattern?.exec(message)?.[1] ?? '')
}
