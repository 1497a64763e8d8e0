import { definePlugin, reply } from 'postern/sdk'

const kept: unknown[] = []
let ran = 0
const registry = new FinalizationRegistry(() => {
  ran++
})

/** Wants memory that no limit counts, code that runs out of turn, or an isolate lost for nothing. */
const attacks: { readonly [name: string]: () => unknown } = {
  resizable: () => {
    for (let i = 0; i < 30; i++) kept.push(new ArrayBuffer(0, { maxByteLength: 2 ** 42 }))
  },
  growable: () => kept.push(Reflect.construct(ArrayBuffer, [0, { maxByteLength: 2 ** 42 }], Uint8Array)),
  intl: () => {
    for (let i = 0; i < 150; i++) kept.push(new Intl.DateTimeFormat('de', { timeZone: 'UTC', dateStyle: 'full' }))
  },
  locale: () => {
    for (let i = 0; i < 50; i++) new Date(i).toLocaleString('de', { timeZone: 'Europe/Berlin' })
  },
  ballast: () => {
    for (let i = 0; i < 60; i++) kept.push(new Array(8_000).fill(i))
  },
  imitate: () => void Promise.reject(new Error('Script execution timed out.')),
  registry: () => {
    for (let i = 0; i < 1_000; i++) registry.register({}, i)
    return ran
  },
  text: () => (async () => {}).constructor('return globalThis')(),
  stack: () => {
    // V8 asks for it whenever an error is made.
    Error.prepareStackTrace = (_, sites) => {
      for (const site of sites) kept.push(site.getThis(), site.getFunction())
      return ''
    }
    return new Error('look').stack
  },
}

export default definePlugin({
  name: 'outside',
  reads: ['path'],
  onRequest({ request }) {
    const result = attacks[request.path.split('/').at(-1)!]!()
    return reply(200, { result: String(result), ran })
  },
})
