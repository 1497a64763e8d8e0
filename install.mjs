// Runs when npm installs this package (preinstall) and when it makes a package of a clone (prepare). Must run on every
// Node that npm runs on.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(fileURLToPath(import.meta.url))
const isClone = existsSync(join(root, '.ci', 'setup.mjs'))

if (process.argv[2] === 'preinstall' && !isClone) checkNode()
// .ci/setup.mjs installs what a clone needs, and whoever runs a clone needs no build.
if (process.argv[2] === 'prepare' && isClone && process.env.POSTERN_SETUP === undefined) build()

/** Before isolated-vm is built from source for a Node that cannot run the gateway, which takes minutes. */
function checkNode() {
  const version = process.versions.node
  const [major, minor] = version.split('.').map(Number)
  if (major > 26 || (major === 26 && minor >= 4)) return
  process.stderr.write(
    `postern needs Node 26.4 or later; this is Node ${version} (${process.execPath}).\n` +
      'Install a newer version (https://nodejs.org), or add one to the project first: npm install node@26\n',
  )
  process.exit(1)
}

/** npm needs `dist` to make a package from git, a folder or a link; a package without it would be an empty shell. */
function build() {
  const env = { ...process.env }
  // `npm link` and `npm install -g` set these for everything that runs below them.
  for (const name of ['npm_config_global', 'npm_config_location']) delete env[name]
  const npm = process.env.npm_execpath
  const [command, ...args] = npm === undefined ? ['npm'] : [process.execPath, npm]
  const shell = npm === undefined && process.platform === 'win32'
  const { status, error } = spawnSync(command, [...args, 'run', 'build'], { cwd: root, env, stdio: 'inherit', shell })
  if (status === 0) return
  process.stderr.write(
    `postern: the build failed, so there is nothing to install${error ? `: ${error.message}` : ''}.\n`,
  )
  process.exit(1)
}
