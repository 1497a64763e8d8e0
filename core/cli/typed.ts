import { packageRoot } from '../package-root.ts'

/** The scripts of this package that are `postern`. */
const scripts = ['start', 'postern']

const { npm_lifecycle_event: script = '', npm_package_name: project } = process.env

/** Whether npm runs this process as a script of a clone. Processes below one inherit the variables, not the folder. */
const isScript = scripts.includes(script) && project === 'postern' && process.cwd() === packageRoot

/** How this command was called, to be followed by a subcommand: `postern`, or in a clone `npm start --`. */
export function typed(): string {
  if (script === 'npx') return 'npx postern'
  if (!isScript) return 'postern'
  return script === 'start' ? 'npm start --' : `npm run ${script} --`
}

/** Relative paths mean what they mean where the command was typed. npm runs scripts in the folder of the package. */
export function returnToTyped(): void {
  const { INIT_CWD: folder } = process.env
  if (folder !== undefined && isScript) process.chdir(folder)
}
