type Constructor = new (...args: never[]) => object
type Scope = Record<string, unknown>

/**
 * Memory of WebAssembly and of shared buffers is outside of the isolate's limit; `Atomics.wait` would block the thread
 * without using CPU time.
 */
const unbounded = ['WebAssembly', 'SharedArrayBuffer', 'Atomics']

/** Each copies the text that it is given to memory outside of the heap. */
const copying = ['Segmenter', 'v8BreakIterator']

/** Taken before any code of the plugin runs, which may replace these builtins to get hold of the native constructors. */
const { apply, construct } = Reflect
const keep: (kept: WeakMap<object, ArrayBuffer>, format: object, bill: ArrayBuffer) => void =
  Function.prototype.call.bind(WeakMap.prototype.set)

/** Closes the ways to memory that the isolate's limit does not count. What is left is counted, or billed here. */
export function boundMemory(scope: Scope): void {
  for (const name of unbounded) delete scope[name]
  const Buffer = scope.ArrayBuffer as typeof ArrayBuffer
  fixBuffers(scope, Buffer)
  billFormats(scope, (bytes) => new Buffer(bytes))
}

/** Leaves only buffers of a fixed size: V8 reserves resizable ones itself, and no limit counts them. */
function fixBuffers(scope: Scope, native: typeof ArrayBuffer): void {
  for (const name of ['resize', 'transfer', 'transferToFixedLength']) Reflect.deleteProperty(native.prototype, name)
  replace(scope, 'ArrayBuffer', native, (args, target) => {
    if (target === undefined) throw new TypeError("Constructor ArrayBuffer requires 'new'")
    if ((args[1] as { maxByteLength?: unknown } | undefined)?.maxByteLength !== undefined) {
      throw new TypeError('an ArrayBuffer of a plugin cannot be resizable: leave maxByteLength out')
    }
    return construct(native, [args[0]], target) as object
  })
}

/**
 * What one object of `Intl` takes outside of the heap, bytes: 32 to 220 KB for a format of dates, as measured, and up to
 * 12 KB for all others. No limit of V8 counts it.
 */
const size = { date: 262_144, other: 16_384 }

/** Methods that make an object of `Intl` for each call that names a locale, and how many arguments come before it. */
const makers: readonly (readonly [type: string, method: string, bytes: number, before: number])[] = [
  ['Date', 'toLocaleString', size.date, 0],
  ['Date', 'toLocaleDateString', size.date, 0],
  ['Date', 'toLocaleTimeString', size.date, 0],
  ['Number', 'toLocaleString', size.other, 0],
  ['BigInt', 'toLocaleString', size.other, 0],
  ['String', 'localeCompare', size.other, 1],
]

/**
 * Bills the memory of `Intl`: each object of it holds a buffer of the size that it takes, which the limit of the isolate
 * counts. The buffer is never written, so that the machine gives no memory for it.
 */
function billFormats(scope: Scope, allocate: (bytes: number) => ArrayBuffer): void {
  const intl = scope.Intl as Scope
  const held = new WeakMap<object, ArrayBuffer>()
  for (const name of copying) delete intl[name]
  for (const name of Object.getOwnPropertyNames(intl)) {
    const native = intl[name]
    if (typeof native !== 'function' || typeof native.prototype !== 'object') continue
    const bytes = name === 'DateTimeFormat' ? size.date : size.other
    replace(intl, name, native as Constructor, (args, target) => {
      const bill = allocate(bytes)
      const format = construct(native, args, target ?? (intl[name] as Constructor)) as object
      keep(held, format, bill)
      return format
    })
  }
  const temporal = Object.values(Object.getOwnPropertyDescriptors((scope.Temporal as Scope | undefined) ?? {}))
  const types: [unknown, string, number, number][] = makers.map(([type, ...rest]) => [scope[type], ...rest])
  for (const { value } of temporal) types.push([value, 'toLocaleString', size.date, 0])
  for (const [type, method, bytes, before] of types) {
    const prototype = (type as { prototype?: Scope } | undefined)?.prototype
    const native = prototype?.[method]
    if (typeof native !== 'function') continue
    const billed = {
      [method](...args: unknown[]): unknown {
        // Without a locale V8 keeps one object for all calls.
        if (args.length > before) allocate(bytes)
        return apply(native, this, args)
      },
    }
    prototype![method] = billed[method]
  }
}

/**
 * Puts a constructor in the place of a native one, which is then out of reach.
 *
 * @param construct `target` is `undefined` when it is called without `new`.
 */
function replace(
  holder: Scope,
  name: string,
  native: Constructor,
  construct: (args: readonly unknown[], target: Constructor | undefined) => object,
): void {
  const own = function (...args: unknown[]): object {
    return construct(args, new.target as unknown as Constructor | undefined)
  }
  for (const key of Reflect.ownKeys(native)) {
    Object.defineProperty(own, key, Object.getOwnPropertyDescriptor(native, key)!)
  }
  Object.defineProperty(native.prototype, 'constructor', { value: own, writable: true, configurable: true })
  Object.defineProperty(holder, name, { value: own, writable: true, configurable: true })
}
