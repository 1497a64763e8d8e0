import { spawn } from 'node:child_process'

/** Connects to a port of this machine with `openssl s_client`, sends `input`, and resolves with what it printed. */
export async function openssl(port: number, args: readonly string[], input = ''): Promise<string> {
  const command = ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'localhost', ...args]
  const child = spawn('openssl', command, { stdio: ['pipe', 'pipe', 'pipe'], timeout: 30_000 })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  let text = ''
  const hear = (chunk: Buffer): void => {
    text += chunk.toString('latin1')
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  await new Promise((resolve) => child.once('close', resolve))
  return text
}
