// Brings node_modules in line with package-lock.json before `npm start`, `npm test` and the rest. Plain JavaScript that
// needs nothing but Node 20 and npm: the Node that runs Postern is itself one of the packages installed here.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stamp = join(root, 'node_modules', '.postern-stamp')
const lock = join(root, '.setup.lock')
const staleAfter = 15 * 60_000

const wanted = readFileSync(join(root, 'package-lock.json'), 'utf8')
// A tree shared by two systems (a container's volume) holds the binaries of one of them.
const system = `${process.platform}-${process.arch} `
const mark = system + createHash('sha256').update(wanted).digest('hex')

if (!stands()) {
  await acquire()
  try {
    if (!stands()) install()
  } finally {
    rmSync(lock, { force: true })
  }
}

function stands() {
  if (read(stamp) === mark) return true
  if (!matchesByHand()) return false
  writeFileSync(stamp, mark)
  return true
}

/** Someone ran `npm install` or `npm ci` by hand: npm's own record says what is there, so nothing has to be torn down. */
function matchesByHand() {
  const record = read(join(root, 'node_modules', '.package-lock.json'))
  if (record === '' || !existsSync(join(root, 'node_modules', '.bin', 'node'))) return false
  const stamped = read(stamp)
  if (stamped !== '' && !stamped.startsWith(system)) return false
  const installed = JSON.parse(record).packages ?? {}
  return Object.entries(JSON.parse(wanted).packages ?? {}).every(
    ([path, { version, optional }]) => path === '' || optional || installed[path]?.version === version,
  )
}

function install() {
  const npm = process.env.npm_execpath
  const command = npm === undefined ? ['npm'] : [process.execPath, npm]
  const shell = npm === undefined && process.platform === 'win32'
  process.stderr.write(
    'postern: installing the packages of package-lock.json (npm ci), once: 440 MB, about a minute …\n',
  )
  // Without its development packages there is no Node 26 here, and without install scripts no binary of it.
  const args = [...command.slice(1), 'ci', '--include=dev', '--ignore-scripts=false', '--no-audit', '--no-fund']
  // Without a registry npm would try for two minutes.
  args.push('--loglevel=error', '--fetch-retries=1')
  const env = { ...process.env, POSTERN_SETUP: '1' }
  const run = spawnSync(command[0], args, { cwd: root, encoding: 'utf8', env, shell })
  if (run.status !== 0) {
    const said = run.error?.message ?? `${run.stdout}${run.stderr}`.trim()
    fail(`npm ci failed.\n${said.split('\n').slice(0, 20).join('\n')}`)
  }
  const probe = spawnSync(
    join(root, 'node_modules', '.bin', 'node'),
    ['--no-node-snapshot', '-e', "require('isolated-vm')"],
    {
      cwd: root,
      encoding: 'utf8',
      shell: process.platform === 'win32',
    },
  )
  if (probe.status !== 0) {
    fail(`the packages are there, but the sandbox does not load.\n${probe.error?.message ?? probe.stderr.trim()}`)
  }
  writeFileSync(stamp, mark)
}

/** Two starts at once: the second waits, then finds everything in place. */
async function acquire() {
  for (let waited = false; ; waited = true) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' })
      return
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    if (abandoned()) {
      rmSync(lock, { force: true })
      continue
    }
    if (!waited) process.stderr.write('postern: another start is installing packages; waiting for it …\n')
    await sleep(200)
  }
}

function abandoned() {
  try {
    if (Date.now() - statSync(lock).mtimeMs > staleAfter) return true
    const pid = Number(readFileSync(lock, 'utf8'))
    // Between its creation and its first byte the file is empty.
    if (pid > 0) process.kill(pid, 0)
    return false
  } catch (error) {
    return error.code === 'ESRCH'
  }
}

function fail(message) {
  rmSync(lock, { force: true })
  process.stderr.write(
    `postern: ${message}\npostern: set-up needs Node 20 or later, npm and its registry. Is the registry reachable? \`npm ci\` by hand shows more.\n`,
  )
  process.exit(1)
}

function read(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
