import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A command that runs until it is told to stop. */
export interface Running {
  readonly pid: number
  /** What it has written so far, both streams. */
  output(): string
  /** Waits for text that matches; fails when the command ends before, or after half a minute. */
  until(pattern: RegExp): Promise<RegExpMatchArray>
  /** Sends the signal and waits for the end; the exit code, or `null` when the signal itself ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

export interface CommandOptions {
  readonly cwd: string
  readonly env?: NodeJS.ProcessEnv
}

/** Runs a command to its end. */
export async function finish(command: readonly string[], options: CommandOptions): Promise<Finished> {
  const child = start(command, options)
  const out = collect(child.stdout)
  const err = collect(child.stderr)
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout: out(), stderr: err() }
}

/** Starts a command that goes on. */
export function launch(command: readonly string[], options: CommandOptions): Running {
  const child = start(command, options)
  const streams = [collect(child.stdout), collect(child.stderr)]
  const output = (): string => streams.map((text) => text()).join('')
  const closed = once(child, 'close') as Promise<[number | null]>
  return {
    pid: child.pid!,
    output,
    async until(pattern) {
      const deadline = Date.now() + 30_000
      for (;;) {
        const match = output().match(pattern)
        if (match !== null) return match
        if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
          child.kill('SIGKILL')
          throw new Error(`${command.join(' ')}: no ${pattern} in\n${output()}`)
        }
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
    async stop(signal = 'SIGTERM') {
      child.kill(signal)
      const [code] = await closed
      return code
    },
  }
}

/** The port that `postern run` says a listener is bound to. */
export async function portOf(gateway: Running, listener: string): Promise<number> {
  const [, port] = await gateway.until(new RegExp(`listener "${listener}": .* port (\\d+)`))
  return Number(port)
}

function start([file, ...args]: readonly string[], { cwd, env }: CommandOptions): ChildProcess {
  return spawn(file!, args, { cwd, env: env ?? process.env, stdio: ['ignore', 'pipe', 'pipe'] })
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  let text = ''
  stream?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  return () => text
}
