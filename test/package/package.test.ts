import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { blocksOf } from '../rules/markdown.ts'
import { read, root } from '../rules/sources.ts'
import { type CommandOptions, finish, launch, portOf } from './command.ts'

const work = mkdtempSync(join(tmpdir(), 'postern-package-'))
const stage = join(work, 'stage')
const project = join(work, 'project')
const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` }
const here: CommandOptions = { cwd: project, env }

// What a user does: the package as it would be published, installed into an empty folder. It is built from a copy of
// the tree, so that nobody's `dist` is taken away.
beforeAll(async () => {
  const leaveOut = ['node_modules', 'dist', '.git']
  for (const name of readdirSync(root).filter((name) => !leaveOut.includes(name))) {
    cpSync(join(root, name), join(stage, name), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(stage, 'node_modules'))
  await succeed(['npm', 'pack', '--pack-destination', work], { cwd: stage, env })
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), '{ "name": "project", "private": true, "type": "module" }')
  await succeed(['npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', tarball()], here)
}, 300_000)

/** The Node that package.json asks for. */
const needed = JSON.parse(read('package.json')).engines.node.replace('>=', '')

/** Options that make this Node call itself by another version. */
function pretend(version: string): string[] {
  const code = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`
  return ['--import', `data:text/javascript,${encodeURIComponent(code)}`]
}

function tarball(): string {
  return join(work, readdirSync(work).find((name) => name.endsWith('.tgz'))!)
}

// Thousands of files, on machines that do other things too.
afterAll(() => rmSync(work, { recursive: true }), 120_000)

test('the package holds what it needs, the plugins as templates, and no other source', () => {
  const installed = join(project, 'node_modules/postern')
  const documents = ['README.md', 'LICENSE', 'CHANGELOG.md', 'SECURITY.md', 'core/README.md']
  for (const path of [...documents, 'gateway.json', 'policies', 'sdk/schemas/gateway.json']) {
    expect(existsSync(join(installed, path)), path).toBe(true)
  }
  const files = readdirSync(installed, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'))
  const sources = files.filter((path) => !path.endsWith('.d.ts'))
  const plugins = readdirSync(join(root, 'plugins'), { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.ts'),
  )
  expect(sources.toSorted()).toEqual(plugins.map((path) => join('plugins', path)).toSorted())
  expect(files).toContain(join('dist', 'sdk', 'index.d.ts'))
})

describe('the command', () => {
  test('npx postern version', async () => {
    const { code, stdout } = await finish(['npx', 'postern', 'version'], here)
    expect(code).toBe(0)
    expect(stdout).toContain(JSON.parse(read('package.json')).version)
  })

  test.each(['20.1.0', '24.18.0', '26.3.9'])('Node %s is told what to do', async (version) => {
    const command = [process.execPath, ...pretend(version), 'node_modules/postern/dist/core/bin.js', 'version']
    const { code, stderr } = await finish(command, here)
    expect(code).toBe(1)
    expect(stderr.trim().split('\n')).toEqual([
      expect.stringContaining(`needs Node ${needed} or later; this is Node ${version}`),
      expect.stringContaining('npm install node@26'),
    ])
  })

  test.each(['node_modules/postern/gateway.json', join(root, 'docker/gateway.json')])('check -c %s', async (file) => {
    await succeed(['node_modules/.bin/postern', 'check', '-c', file], here)
  })
})

describe('an installation', () => {
  test('on an older Node is refused with the same words, before anything is built', async () => {
    // The Node that scripts find, with an old version; npm itself runs on the real one.
    const folder = join(work, 'old')
    const shim = join(work, 'bin')
    mkdirSync(shim)
    const script = `#!/bin/sh\nexec "${process.execPath}" ${pretend('24.18.0')
      .map((one) => `'${one.replaceAll("'", `'\\''`)}'`)
      .join(' ')} "$@"\n`
    writeFileSync(join(shim, 'node'), script, { mode: 0o755 })
    mkdirSync(folder)
    writeFileSync(join(folder, 'package.json'), '{ "name": "old", "private": true }')
    const npm = realpathSync((await succeed(['sh', '-c', 'command -v npm'], here)).trim())
    const command = [process.execPath, npm, 'install', '--prefer-offline', '--no-audit', '--no-fund', tarball()]
    const old = { cwd: folder, env: { ...env, PATH: `${shim}${delimiter}${env.PATH}` } }
    const { code, stdout, stderr } = await finish(command, old)
    expect(code).not.toBe(0)
    expect(stderr).toContain(`needs Node ${needed} or later; this is Node 24.18.0`)
    expect(stderr).toContain('npm install node@26')
    expect(stdout + stderr).not.toMatch(/gyp|prebuild/)
    expect(existsSync(join(folder, 'node_modules', 'postern'))).toBe(false)
  }, 120_000)

  test('of a folder builds it, by link as well as by a copy', async () => {
    rmSync(join(stage, 'dist'), { recursive: true })
    const linked = join(work, 'linked')
    mkdirSync(linked)
    writeFileSync(join(linked, 'package.json'), '{ "name": "linked", "private": true }')
    await succeed(['npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', stage], { cwd: linked, env })
    const version = await succeed(['node_modules/.bin/postern', 'version'], { cwd: linked, env })
    expect(version.trim()).toBe(JSON.parse(read('package.json')).version)
    // As npm does it for a package from git: `prepare` runs in the folder, and what it left is packed.
    rmSync(join(stage, 'dist'), { recursive: true })
    await succeed(['npm', 'pack', '--pack-destination', linked], { cwd: stage, env })
    expect(existsSync(join(stage, 'dist', 'core', 'bin.js'))).toBe(true)
  }, 120_000)

  test('that cannot be built says so', async () => {
    const broken = join(work, 'broken')
    mkdirSync(join(broken, '.ci'), { recursive: true })
    cpSync(join(root, 'install.mjs'), join(broken, 'install.mjs'))
    writeFileSync(join(broken, '.ci/setup.mjs'), '')
    writeFileSync(join(broken, 'package.json'), '{ "scripts": { "build": "echo no compiler >&2; exit 2" } }')
    const { code, stderr } = await finish([process.execPath, 'install.mjs', 'prepare'], { cwd: broken, env })
    expect(code).toBe(1)
    expect(stderr).toMatch(/no compiler[\s\S]*postern: the build failed, so there is nothing to install/)
  })
})

test('the gateway and the plugin of README.md run', async () => {
  const blocks = blocksOf(read('README.md'), 'json')
  const [fiveLines] = blocks
  // Others are parts of a configuration.
  const policy = blocks.find((block) => block.includes('"plugin": "maintenance"'))
  const [plugin] = blocksOf(read('README.md'), 'ts')
  const file = JSON.parse(fiveLines!)
  file.listeners.web = { address: '127.0.0.1', port: 0, policies: ['closed'] }
  writeFileSync(join(project, 'gateway.json'), JSON.stringify(file))
  write('policies/closed.json', policy!)
  write('plugins/maintenance/index.ts', plugin!)

  const gateway = launch(['node_modules/.bin/postern', 'run'], here)
  const answer = await fetch(`http://127.0.0.1:${await portOf(gateway, 'web')}/orders/1`)
  expect(answer.status).toBe(503)
  expect(answer.headers.get('retry-after')).toBe('600')
  expect(await answer.json()).toMatchObject({ title: 'back at six' })
  await gateway.until(new RegExp(`ready \\(pid ${gateway.pid};`))
  // The process that was started is the one that serves: a signal arrives, and its status comes back.
  expect(await gateway.stop('SIGTERM')).toBe(0)
}, 60_000)

test('the types reach those who write against it', async () => {
  const source = [
    "import { type RunningGateway, startGateway } from 'postern'",
    "import { definePlugin } from 'postern/sdk'",
    "import { testPlugin } from 'postern/testing'",
    '',
    'export default definePlugin({',
    "  name: 'typed',",
    "  options: { type: 'object', additionalProperties: false, properties: { size: { type: 'integer', default: 1 } } },",
    '  onRequest({ options }) {',
    '    options.size satisfies number',
    '    // @ts-expect-error: no such option',
    '    options.sise',
    '  },',
    '})',
    'export const entries: [(options?: object) => Promise<RunningGateway>, unknown] = [startGateway, testPlugin]',
  ]
  write('typed.ts', source.join('\n'))
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'esnext', '--skipLibCheck', 'typed.ts']
  await succeed([process.execPath, join(root, 'node_modules/.bin/tsc'), '--ignoreConfig', ...options], here)
}, 60_000)

test('the entries load', async () => {
  const entry = (path: string): string => pathToFileURL(join(project, 'node_modules/postern/dist', path)).href
  const code = `
    const [gateway, sdk, testing] = await Promise.all(['', '/sdk', '/testing'].map((path) => import('postern' + path)))
    const main = await import('${entry('sdk/index.js')}')
    if (main.definePlugin !== sdk.definePlugin) throw new Error('two copies of the sdk')
    console.log(typeof gateway.startGateway, typeof sdk.reply, typeof testing.testPlugin)
  `
  const command = [process.execPath, '--no-node-snapshot', '--input-type=module', '--eval', code]
  expect((await succeed(command, here)).trim()).toBe('function function function')
})

function write(path: string, text: string): void {
  mkdirSync(dirname(join(project, path)), { recursive: true })
  writeFileSync(join(project, path), text)
}

async function succeed(command: readonly string[], options: CommandOptions): Promise<string> {
  const { code, stdout, stderr } = await finish(command, options)
  expect(code, `${command.join(' ')}\n${stdout}${stderr}`).toBe(0)
  return stdout
}
