export interface Scan {
  /** Functions called. */
  readonly builtins: number
  /** What came from another realm, by the call that brought it. */
  readonly foreign: readonly string[]
  /** Objects that are reachable and not frozen. */
  readonly loose: readonly string[]
}

/**
 * Calls every builtin that can be reached from `roots` with odd arguments: as a function, as a method and with `new`.
 * Looks at everything that comes of it, returned or thrown. It also runs as text in other realms, so it must use nothing
 * from outside of itself.
 *
 * @param isHome whether this end of a chain of prototypes is one of the realms that may be seen; `null`: it has none.
 */
export function scan(roots: readonly unknown[], isHome: (root: object | null) => boolean): Scan {
  const { apply, construct, getOwnPropertyDescriptor, getPrototypeOf, ownKeys } = Reflect
  const { isFrozen } = Object
  const names = new Map<object, string>()
  const left: [string, unknown][] = roots.map((root, i) => [`root${i}`, root])
  const isObject = (value: unknown): value is object =>
    (typeof value === 'object' && value !== null) || typeof value === 'function'
  while (left.length > 0) {
    const [name, value] = left.pop()!
    if (!isObject(value) || names.has(value) || names.size > 20_000) continue
    names.set(value, name)
    left.push([`${name}.__proto__`, getPrototypeOf(value)])
    for (const key of ownKeys(value)) {
      const { value: inner, get, set } = getOwnPropertyDescriptor(value, key)!
      left.push(
        [`${name}.${String(key)}`, inner],
        [`get ${name}.${String(key)}`, get],
        [`set ${name}.${String(key)}`, set],
      )
    }
  }
  const loose = [...names].filter(([value]) => !isFrozen(value)).map(([, name]) => name)

  const foreign = new Set<string>()
  const inspect = (what: string, value: unknown, depth: number): void => {
    if (!isObject(value) || names.has(value) || depth > 2) return
    let end: object | null = value
    for (let next: object | null = end; next !== null; next = getPrototypeOf(next)) end = next
    if (!isHome(end === value ? null : end)) foreign.add(what)
    for (const key of ownKeys(value).slice(0, 20)) {
      const { value: inner, get } = getOwnPropertyDescriptor(value, key)!
      inspect(`${what} → ${String(key)}`, inner, depth + 1)
      inspect(`${what} → get ${String(key)}`, get, depth + 1)
    }
  }
  const thrower = {
    [Symbol.toPrimitive]() {
      throw new Error('on purpose')
    },
  }
  const array: unknown[] = [1, 'a', {}]
  const odd: unknown[][] = [
    [],
    [''],
    ['x', 'y'],
    [0],
    [-1],
    [1e10],
    [Number.NaN],
    [1n],
    [Symbol('s')],
    [null],
    [undefined],
    [{}],
    [array],
    [() => {}],
    [thrower],
    [new Proxy({}, {})],
    [{}, 'constructor'],
    [() => {}, {}, array],
    [
      {
        // biome-ignore lint/suspicious/noThenProperty: await would call it.
        get then() {
          throw new Error('on purpose')
        },
      },
    ],
  ]
  const receivers: unknown[] = [undefined, {}, array, '', () => {}, new Proxy(() => {}, {})]
  let builtins = 0
  const attempt = (what: string, run: () => unknown): void => {
    try {
      inspect(what, run(), 0)
    } catch (thrown) {
      inspect(`${what} threw`, thrown, 0)
    }
  }
  for (const [value, name] of names) {
    if (typeof value !== 'function') continue
    builtins++
    for (const [i, args] of odd.entries()) {
      for (const [j, receiver] of receivers.entries()) {
        attempt(`${name}.call(${j}, odd ${i})`, () => apply(value, receiver, args))
      }
      attempt(`new ${name}(odd ${i})`, () => construct(value, args))
    }
  }
  return { builtins, foreign: [...foreign].slice(0, 20), loose: loose.slice(0, 20) }
}
