import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { httpBackend } from '../helpers/backend.ts'
import { send } from '../helpers/client.ts'
import { httpConfig, type Json, startGateway } from '../helpers/gateway.ts'

const file = join(import.meta.dirname, '../../core/net/raw-check.ts')

/** What the check says in a process of its own that was started like this, and what that process printed besides. */
async function checked(options: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<unknown> {
  const script = `const { areRawSocketsUsable, checkRawSockets } = await import(${JSON.stringify(file)})
    const problem = await checkRawSockets()
    console.log(JSON.stringify({ problem, usable: areRawSocketsUsable() }))`
  const args = [...options, '--input-type=module', '-e', script]
  const { POSTERN_RAW_SOCKETS: _, ...rest } = process.env
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { env: { ...rest, ...env } })
  return { ...(JSON.parse(stdout) as object), stderr }
}

const preload = (code: string): string => `--import=data:text/javascript,${encodeURIComponent(code)}`

test('raw sockets pass the check with this node, which warns of nothing', async () => {
  for (const options of [[], ['--pending-deprecation']])
    expect(await checked(options)).toEqual({ usable: true, stderr: '' })
})

test('the environment can say not to use them', async () => {
  expect(await checked([], { POSTERN_RAW_SOCKETS: '0' })).toEqual({ usable: false, stderr: '' })
})

test('a process that does not run for a while in the middle of the check passes it', async () => {
  const stop = `const { TCP } = process.binding('tcp_wrap')
    const { listen } = TCP.prototype
    TCP.prototype.listen = function (backlog) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000)
      return listen.call(this, backlog)
    }`
  expect(await checked([preload(stop)])).toEqual({ usable: true, stderr: '' })
})

const method = (name: string, body: string): string =>
  `process.binding('tcp_wrap').TCP.prototype.${name} = function (...args) { ${body} }`

test.each([
  ['there is no binding', "process.binding = () => { throw new Error('gone') }", 'no binding'],
  ['a write does not say that it waits', "delete process.binding('stream_wrap').streamBaseState", 'undefined'],
  ['nothing can be read', method('readStart', 'return -107'), 'ENOTCONN'],
  ['bytes go elsewhere', method('useUserBuffer', ''), ''],
  ['text is not written', method('writeLatin1String', 'return -32'), 'EPIPE|queued'],
  ['a shutdown fails', method('shutdown', "throw new Error('no shutdown')"), 'no shutdown|no end'],
])('they are not used when %s', async (_what, code, problem) => {
  const found = (await checked([preload(code)])) as { problem: string; usable: boolean }
  expect(found).toMatchObject({ usable: false, problem: expect.stringMatching(problem) })
})

test('a gateway without them says so once for each worker, and serves', async () => {
  const backend = await httpBackend((_request, response) => response.end('served'))
  const NODE_OPTIONS = preload("process.binding = () => { throw new Error('gone') }")
  const config = { ...(httpConfig([backend.port]) as object), workers: 1 } as Json
  const gateway = await startGateway(config, {}, { env: { NODE_OPTIONS, POSTERN_RAW_SOCKETS: undefined } })
  expect(await send(gateway.port('web'), '/')).toMatchObject({ status: 200, body: 'served' })
  const isOfThem = ({ msg }: Record<string, unknown>): boolean => String(msg).startsWith('raw sockets do not work')
  await gateway.record(isOfThem)
  const warnings = gateway.log.filter(isOfThem)
  expect(warnings).toMatchObject([{ level: 'warn', cause: 'this node has no binding to TCP' }])
})
