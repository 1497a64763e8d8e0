import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { echoBackend } from '../helpers/backend.ts'
import { send } from '../helpers/client.ts'
import { gatewayFolder, httpConfig, startGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'

/** What a process loads first: the secrets of tickets are then known, and can be looked for. */
const preload = `import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
const { randomBytes } = crypto
crypto.randomBytes = (size, ...more) => (size === 64 ? Buffer.alloc(64, 'open sesame! ') : randomBytes(size, ...more))
syncBuiltinESMExports()
`
const secret = Buffer.from('open sesame! open')
const forms = [
  secret.toString(),
  secret.toString('hex'),
  secret.toString('base64').slice(0, 20),
  `${[...secret.subarray(0, 8)]}`,
]

/** All text that a folder holds, with the folders in it. */
function textIn(folder: string): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n')
}

/** The folder that a worker shares with the supervisor: one of its descriptors is a file in there. */
function folderOf(worker: number): string {
  const links = readdirSync(`/proc/${worker}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${worker}/fd/${fd}`)
    } catch {
      // The descriptor with which the folder was read.
      return ''
    }
  })
  return dirname(links.find((link) => basename(link).startsWith('slot-'))!)
}

test('the secrets of tickets are in no log, report, file, argument or variable, whatever becomes of a worker', async () => {
  const backend = await echoBackend()
  const folder = gatewayFolder({}, { 'preload.mjs': preload })
  const config = httpConfig([backend.port], { log: { level: 'debug' } })
  const env = { NODE_OPTIONS: `--import=${join(folder, 'preload.mjs')}` }
  const gateway = await startGateway(config, {}, { env })
  const { child, workers, stdout, stderr, record } = gateway.process
  await send(gateway.port('web'), '/')
  // Their records may come after the word that the gateway is ready.
  await until('both workers', () => workers().length === 2)
  const [victim, other] = workers()
  process.kill(victim!, 'SIGSEGV')
  await record(({ msg, pid }) => msg === 'worker died' && pid === victim)
  await until('another worker', () => workers().length === 2)
  const ofProcesses = [child.pid!, ...workers()].flatMap((pid) =>
    ['cmdline', 'environ'].map((file) => readFileSync(`/proc/${pid}/${file}`, 'latin1')),
  )
  const files = [gateway.folder, folderOf(other!)].map(textIn)
  expect(files[1]!.length).toBeGreaterThan(0)
  const found = [stdout(), stderr(), ...files, ...ofProcesses].join('\n')
  for (const form of forms) expect(found).not.toContain(form)
})
