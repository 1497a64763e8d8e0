import { spawnSync } from 'node:child_process'

/** Whether a command can be run by its name. */
export function hasCommand(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0
}

/** The first number with dots that a command prints about itself. */
export function versionOf(command: string, argument: string): string {
  const { stdout, stderr } = spawnSync(command, [argument], { encoding: 'utf8' })
  return /\d+(\.\d+)+/.exec(`${stdout}${stderr}`)?.[0] ?? 'of unknown version'
}
