#!/usr/bin/env node
// The published command. It must parse and report the problem on a Node that is too old for the rest: no static imports,
// and nothing that Node 18 lacks before the version check.
const version = process.versions.node
const [major, minor] = version.split('.').map(Number)
if (major! < 26 || (major === 26 && minor! < 4)) {
  process.stderr.write(
    `postern needs Node 26.4 or later; this is Node ${version} (${process.execPath}).\n` +
      'Install a newer version (https://nodejs.org), or add one to the project: npm install node@26\n',
  )
  process.exit(1)
}

// isolated-vm needs the first. Without the second, SIGUSR1 opens a debugger to every local user.
const needed = ['--no-node-snapshot', '--disable-sigusr1']
if (needed.every((option) => process.execArgv.includes(option))) {
  await import('./main.ts')
} else {
  const { fileURLToPath } = await import('node:url')
  const main = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url))
  const args = [...needed, ...process.execArgv, main, ...process.argv.slice(2)]
  if (process.execve !== undefined && process.platform !== 'win32') {
    // Keeps the process, so that signals reach it.
    process.execve(process.execPath, [process.execPath, ...args], process.env)
  }
  const { spawnSync } = await import('node:child_process')
  process.exit(spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1)
}

export {}
