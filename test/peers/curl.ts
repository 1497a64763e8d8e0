import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { temporaryFolder } from './peer.ts'

export interface CurlResult {
  /** Exit status; 0 only when every response was complete. */
  readonly code: number
  /** Of the last response. */
  readonly status: number
  /** Heads of all responses, interim ones and trailers included, as they came. */
  readonly heads: string
  /** All bodies, one after the other. */
  readonly body: Buffer
  /** Connections that it made. */
  readonly connects: number
  readonly error: string
}

/** Runs curl on a path of 127.0.0.1, or on several one after the other; ended, by its pid, when the test is. */
export async function curl(port: number, paths: string | readonly string[], args: readonly string[] = []) {
  const run = startCurl(port, paths, args)
  return run.result
}

/** The same, in sight while it runs. */
export function startCurl(
  port: number,
  paths: string | readonly string[],
  args: readonly string[] = [],
): { readonly child: ChildProcess; readonly result: Promise<CurlResult> } {
  const file = join(temporaryFolder(), 'heads')
  const urls = [paths].flat().map((path) => `http://127.0.0.1:${port}${path}`)
  const common = ['-q', '-sS', '--noproxy', '*', '--max-time', '20', '--path-as-is', '--globoff', '-D', file]
  const facts = ['-w', '%{stderr}\n{"status":%{http_code},"connects":%{num_connects}}\n']
  const child = spawn('curl', [...common, ...facts, ...args, ...urls], { stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  })
  const chunks: Buffer[] = []
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  const result = new Promise<CurlResult>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      const lines = said.split('\n')
      const all = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Facts)
      resolve({
        code: code ?? -1,
        status: all.at(-1)?.status ?? 0,
        heads: headsIn(file),
        body: Buffer.concat(chunks),
        connects: all.reduce((sum, { connects }) => sum + connects, 0),
        error: lines.filter((line) => line.startsWith('curl:')).join('\n'),
      })
    })
  })
  return { child, result }
}

interface Facts {
  readonly status: number
  readonly connects: number
}

function headsIn(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}
