import type { ChildProcess } from 'node:child_process'

/** What a process prints until it ends. Fails with what it complained of when it does not end well. */
export function outputOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    let complaint = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    child.stderr?.on('data', (chunk: Buffer) => {
      complaint += chunk.toString()
    })
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code === 0) resolve(text)
      else reject(new Error(`${child.spawnargs.join(' ')}: ${signal ?? `exit code ${code}`}\n${complaint}`))
    })
  })
}
