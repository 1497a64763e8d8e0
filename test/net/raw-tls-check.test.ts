import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const handshakeFile = join(import.meta.dirname, '../../core/net/raw-handshake-check.ts')
const file = join(import.meta.dirname, '../../core/net/raw-tls-check.ts')

/** What the check says in a process of its own that was started like this, and what that process printed besides. */
async function checked(options: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<unknown> {
  const script = `const { isRawTlsUsable, checkRawTls } = await import(${JSON.stringify(file)})
    const problem = await checkRawTls()
    const { isRawHandshakeUsable } = await import(${JSON.stringify(handshakeFile)})
    console.log(JSON.stringify({ problem, usable: isRawTlsUsable(), handshakes: isRawHandshakeUsable() }))`
  const args = [...options, '--input-type=module', '-e', script]
  const { POSTERN_RAW_SOCKETS: _, ...rest } = process.env
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { env: { ...rest, ...env } })
  return { ...(JSON.parse(stdout) as object), stderr }
}

const preload = (code: string): string => `--import=data:text/javascript,${encodeURIComponent(code)}`

test('raw TLS passes the check with this node, which warns of nothing', async () => {
  for (const options of [[], ['--pending-deprecation']])
    expect(await checked(options)).toEqual({ usable: true, handshakes: true, stderr: '' })
})

test('where raw sockets cannot be used, raw TLS is not', async () => {
  expect(await checked([], { POSTERN_RAW_SOCKETS: '0' })).toEqual({ usable: false, handshakes: false, stderr: '' })
  expect(await checked([preload("process.binding = () => { throw new Error('gone') }")])).toMatchObject({
    usable: false,
  })
})

const tls = (code: string): string => `const { TLSWrap } = process.binding('tls_wrap'); ${code}`

test.each([
  ['bytes go elsewhere', tls('TLSWrap.prototype.useUserBuffer = () => {}'), ''],
  ['nothing is written', tls('TLSWrap.prototype.writeBuffer = () => -32'), 'EPIPE'],
  ['writes that wait have another form', tls('TLSWrap.prototype.writev = () => -32'), 'EPIPE'],
  [
    'a cut looks like an end with close_notify',
    `const { TCP } = process.binding('tcp_wrap')
    const { readStart } = TCP.prototype
    TCP.prototype.readStart = function () { return readStart.call(this) && 0 }`,
    'looked like another',
  ],
])('it is not used when %s', async (_what, code, problem) => {
  const found = (await checked([preload(code)])) as { problem?: string; usable: boolean }
  expect(found.usable).toBe(false)
  expect(found.problem).toMatch(problem)
})

test.each([
  [
    'node does not give its TLS layer away',
    `const { binding } = process
    process.binding = (name) => (name === 'tls_wrap' ? undefined : binding.call(process, name))`,
    'no TLS layer',
  ],
  ['protocols have another form', tls('TLSWrap.prototype.setALPNProtocols = () => {}'), 'received "bytes false"'],
])('handshakes are made by sockets of node when %s, and raw TLS goes on', async (_what, code, problem) => {
  const found = (await checked([preload(code)])) as { problem?: string; usable: boolean; handshakes: boolean }
  expect(found).toMatchObject({ usable: true, handshakes: false })
  expect(found.problem).toMatch(problem)
})
