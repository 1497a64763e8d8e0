/**
 * Freezes a realm: everything that can be reached from a value of it. An object of the realm, such as an error that V8
 * throws in the realm that was entered last, is then worth nothing to code of another realm that gets hold of it.
 *
 * The globals are removed first: what no value leads to any more needs no freezing, which would take most of the time.
 */
export function sealRealm(scope: object): void {
  const { deleteProperty, getOwnPropertyDescriptor, getPrototypeOf, ownKeys } = Reflect
  const { freeze } = Object
  const seen = new Set<object>()
  const left: unknown[] = [scope, ...samples()]
  for (const name of ownKeys(scope)) deleteProperty(scope, name)
  while (left.length > 0) {
    const value = left.pop()
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value)) continue
    seen.add(value)
    left.push(getPrototypeOf(value))
    for (const key of ownKeys(value)) {
      const { value: inner, get, set } = getOwnPropertyDescriptor(value, key)!
      left.push(inner, get, set)
    }
  }
  for (const value of seen) {
    // Reading a property tells V8 that the object is a prototype in use. Without it a crossing took a third longer.
    void (value as { constructor?: { name?: unknown } }).constructor?.name
    freeze(value)
  }
}

/** Values that the functions of a realm return or throw: what no global leads to can still be reached from these. */
function samples(): unknown[] {
  const list = [1]
  const errors = [EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((Kind) => new Kind())
  const boxes = ['', 1, true, 1n, Symbol()].map(Object)
  return [
    list,
    ...errors,
    ...boxes,
    new AggregateError([]),
    new Map(),
    new Set(),
    /a/,
    Promise.resolve(),
    async () => {},
    function* () {},
    async function* () {},
    list.values(),
    list.values().map(String),
    new Map().values(),
    new Set().values(),
    ''[Symbol.iterator](),
    ''.matchAll(/a/g),
    Iterator.from({ next: () => ({ done: true, value: undefined }) }),
  ]
}
