import { join } from 'node:path'
import ivm from 'isolated-vm'
import { expect, onTestFinished, test } from 'vitest'
import { ABSENT } from '../../core/grants/operation.ts'
import { bundlePlugin } from '../../core/sandbox/bundle.ts'
import { readOutput } from '../../core/sandbox/frame.ts'
import { openIsolateExecutor } from '../../core/sandbox/isolate-executor.ts'
import { layOut } from '../../core/sandbox/layout.ts'
import { defaultLimits } from '../../core/sandbox/limits.ts'
import { readRecord } from '../../core/sandbox/records.ts'
import { runtime } from '../../core/sandbox/runtime.ts'
import { UNIT } from '../../core/sandbox/wire.ts'
import { type Scan, scan } from './plugins/scan/scan.ts'

/** A new version of V8 brings new builtins: what is found holds for this one. */
const engine = `V8 ${process.versions.v8}`

/** Runs onRequest of a plugin of this suite in a crossing without any usual limit; resolves with what it replies. */
async function replyOf(name: string, path = '/'): Promise<unknown> {
  const file = join(import.meta.dirname, 'plugins', name, 'index.ts')
  const code = await bundlePlugin({ file, publisher: 'local' })
  const instance = { policy: 'a', plugin: code, options: {}, fields: { onRequest: ['path'] }, limits: defaultLimits }
  const { plugins } = layOut([{ ...instance, group: 'local' }])
  const executor = openIsolateExecutor({ plugins, memory: 256, emit: () => {} })
  onTestFinished(() => executor.dispose())
  const step = { plugin: 0, call: 1, entry: 0, text: ['L7', ABSENT, path].join(UNIT) }
  const crossing = executor.cross([step], 60_000)
  if (crossing.kind !== 'done') throw new Error(crossing.message)
  const operations = readRecord(readOutput(crossing.output)?.[0] ?? '')
  const body = Array.isArray(operations) ? operations[0]?.find((part) => part.startsWith('{')) : undefined
  if (body === undefined) throw new Error(String(operations))
  return JSON.parse(body)
}

test(`no builtin of a plugin's realm hands out an object of another realm (${engine})`, async () => {
  const { builtins, foreign } = (await replyOf('scan')) as Scan
  console.log(`hostile: ${engine}: ${builtins} builtins of a plugin's realm called with odd arguments`)
  expect(foreign).toEqual([])
  expect(builtins).toBeGreaterThan(800)
}, 120_000)

test(`an object of the dispatcher's realm is worth nothing to a plugin (${engine})`, () => {
  const isolate = new ivm.Isolate({ memoryLimit: 256 })
  onTestFinished(() => isolate.dispose())
  const victim = isolate.createContextSync()
  const enter = victim.evalClosureSync('return () => ""', [], { result: { reference: true } })
  const dispatcher = isolate.createContextSync()
  const shared = new ivm.ExternalCopy(new SharedArrayBuffer(8)).copyInto()
  dispatcher.evalClosureSync(runtime().dispatcher, [shared, undefined, undefined, enter.derefInto()], {
    result: { reference: true },
  })
  const leak = dispatcher.evalClosureSync(
    'try { null.x } catch (error) { return [error, () => {}, async () => {}, {}, [], (async () => {})()] }',
    [],
    { result: { reference: true } },
  )
  const plugin = isolate.createContextSync()
  const found = plugin.evalClosureSync(
    `const list = $0
    const plain = Object.getPrototypeOf(list[3])
    const { loose, ...rest } = (${scan.toString()})([...list], (end) => end === null || end === plain || end === Object.prototype)
    const { constructor } = list[0]
    const attempts = ['return 1', 'return this', ''].map((code) => {
      try { return String(constructor.constructor(code)()) } catch (error) { return error.name }
    })
    return JSON.stringify({ ...rest, loose: loose.filter((name) => !/^root\\d$/.test(name)), attempts })`,
    [leak.derefInto()],
  ) as string
  const { builtins, foreign, loose, attempts } = JSON.parse(found) as Scan & { attempts: string[] }
  console.log(`hostile: ${engine}: ${builtins} builtins of the dispatcher's realm called with odd arguments`)
  expect(builtins).toBeGreaterThan(100)
  expect(foreign).toEqual([])
  expect(loose).toEqual([])
  expect(attempts).toEqual(['EvalError', 'EvalError', 'EvalError'])
}, 120_000)
