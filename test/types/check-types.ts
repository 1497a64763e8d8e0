import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** What the type checker says of a module that imports `postern/sdk`: a line per error, and nothing when there is none. */
export function checkTypes(source: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-types-'))
  try {
    writeFileSync(join(folder, 'plugins.mts'), source)
    const paths = { 'postern/sdk': [join(root, 'sdk/index.ts')] }
    const compilerOptions = { paths, types: [], rootDir: '/', noEmit: true }
    const project = { extends: join(root, 'tsconfig.json'), compilerOptions, include: [folder], exclude: [] }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(project))
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    return execFileSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8', cwd: folder })
  } catch (error) {
    return (error as { stdout: string }).stdout
  } finally {
    rmSync(folder, { recursive: true })
  }
}
