import { definePlugin } from 'postern/sdk'

const loop = (): never => {
  for (;;);
}

/** Throws what runs for ever as soon as somebody looks at it. */
export default definePlugin({
  name: 'throw-getter',
  reads: ['path'],
  onRequest({ request }) {
    if (request.path.endsWith('/proxy')) throw new Proxy({}, { get: loop, getPrototypeOf: loop, ownKeys: loop })
    if (request.path.endsWith('/primitive')) throw { [Symbol.toPrimitive]: loop, toString: loop }
    throw Object.defineProperties(new Error('look'), {
      message: { get: loop },
      stack: { get: loop },
      name: { get: loop },
    })
  },
})
