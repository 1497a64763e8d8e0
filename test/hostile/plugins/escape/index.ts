import { definePlugin, reply } from 'postern/sdk'

const home = globalThis
const foreign: string[] = []
const seen = new Set<unknown>()

/** Notes everything that comes from a realm other than this one: with it, its code could be run there. */
function inspect(what: string, value: unknown, depth = 0): void {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value) || depth > 4)
    return
  seen.add(value)
  let root: object = value
  for (let next: object | null = root; next !== null; next = Object.getPrototypeOf(next) as object | null) root = next
  // The last prototype of another realm's objects is that realm's `Object.prototype`.
  if (root !== Object.prototype && Object.hasOwn(root, 'propertyIsEnumerable')) foreign.push(what)
  let at: object | null = value
  while (at !== null) {
    for (const key of Reflect.ownKeys(at)) {
      try {
        inspect(`${what}.${String(key)}`, (value as Record<PropertyKey, unknown>)[key], depth + 1)
      } catch (thrown) {
        inspect(`${what}.${String(key)} threw`, thrown, depth + 1)
      }
    }
    at = Object.getPrototypeOf(at) as object | null
  }
}

function look(): void {
  const { prepareStackTrace } = Error
  Error.prepareStackTrace = (_, sites) => {
    for (const site of sites) {
      inspect('site', site)
      inspect('site.this', site.getThis())
      inspect('site.function', site.getFunction())
    }
    return sites.map(String).join('\n')
  }
  inspect('stack', new Error('look').stack)
  Error.prepareStackTrace = prepareStackTrace
}

function dive(touch: () => unknown): void {
  try {
    touch()
    dive(touch)
  } catch (thrown) {
    inspect('overflow', thrown)
  }
}

/** Tries to get hold of an object of the dispatcher's realm, or of the host's. */
export default definePlugin({
  name: 'escape',
  reads: ['path', 'header:*'],
  writes: ['header:x-escape'],
  needs: ['digest'],
  async onRequest(context) {
    const { request, digest } = context
    if (request.path.endsWith('/thenable')) {
      const thenable = {
        // biome-ignore lint/suspicious/noThenProperty: whoever awaits the result calls it.
        then(...args: unknown[]) {
          inspect('then', args)
          look()
          ;(args[0] as (value: unknown) => void)(undefined)
        },
      }
      return thenable as unknown as undefined
    }
    if (request.path.endsWith('/thrown')) {
      throw new Proxy(new Error('look'), {
        get(target, key, receiver) {
          inspect('receiver', receiver)
          look()
          return Reflect.get(target, key)
        },
        getPrototypeOf(target) {
          look()
          return Reflect.getPrototypeOf(target)
        },
      })
    }
    // biome-ignore lint/complexity/noArguments: the caller's may be someone else's.
    inspect('arguments', arguments)
    inspect('context', context)
    inspect('global', home)
    look()
    // None of them asks for anything that counts: what is wanted is the overflow inside.
    for (const touch of [
      () => request.header('x-a'),
      () => request.headers(),
      () => request.setHeader('x-escape', null as never),
      () => request.cookie('a'),
      () => {
        request.state = 's'.repeat(5_000)
      },
      () => reply(200),
      () => reply(-1),
    ]) {
      dive(touch)
    }
    await digest.random(-1).catch((thrown: unknown) => inspect('grant threw', thrown))
    inspect('grant', await Promise.all([digest.sha256('a')]))
    look()
    return reply(200, { foreign: [...new Set(foreign)], looked: seen.size })
  },
})
