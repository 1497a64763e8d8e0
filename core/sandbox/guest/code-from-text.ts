type Maker = (...args: unknown[]) => unknown

/** One function of each kind: its constructor makes code from text. */
const kinds: readonly object[] = [() => {}, async () => {}, function* () {}, async function* () {}]

/**
 * Puts functions that refuse in the place of `eval` and of everything that makes code from text. V8 throws its own
 * refusals in the realm that was entered last, the dispatcher's: a plugin that called one of the four constructors got
 * an object of that realm.
 *
 * `instanceof Function` goes on working. `Function('return this')` does too: many libraries find the global that way.
 *
 * @param found what they find. Default: the refusal.
 */
export function refuseCodeFromText(scope: Record<string, unknown>, found?: object): void {
  for (const kind of kinds) {
    const prototype = Object.getPrototypeOf(kind) as object
    const { name } = (prototype as { constructor: Maker }).constructor
    const maker = refusing(
      name,
      name === 'Function' ? (args) => found && isGlobalSought(args) && (() => found) : undefined,
    )
    Object.defineProperty(maker, 'prototype', { value: prototype, writable: false })
    Object.defineProperty(prototype, 'constructor', { value: maker, writable: false, configurable: false })
    if (name === 'Function') scope.Function = maker
  }
  scope.eval = refusing('eval')
}

function isGlobalSought(args: readonly unknown[]): boolean {
  return args.length === 1 && args[0] === 'return this'
}

/** @param instead what it returns in the place of code; a falsy value: it refuses. */
function refusing(name: string, instead?: (args: readonly unknown[]) => unknown): Maker {
  const Refusal = EvalError
  // A function that can be called with `new`, so that `new Function(…)` reaches the refusal too.
  function maker(...args: unknown[]): unknown {
    const value = instead?.(args)
    if (value) return value
    throw new Refusal(`a plugin cannot make code from text, here with ${name}: put the code into its source`)
  }
  Object.defineProperty(maker, 'name', { value: name })
  return maker
}
