import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { httpBackend } from '../helpers/backend.ts'
import { open, send } from '../helpers/client.ts'
import { gatewayFolder, httpConfig, type Json, startGateway } from '../helpers/gateway.ts'
import { cached, type PosternProcess, postern } from '../helpers/process.ts'
import { until } from '../helpers/until.ts'

const config = (more: { [name: string]: Json } = {}): Json => ({
  listeners: { web: { address: '127.0.0.1', port: 0 } },
  routes: { all: { listener: 'web', reply: { body: 'here' } } },
  workers: 1,
  ...more,
})

/** Compiled code goes where it does without a test: into the gateway's own folder. */
const uncached = { NODE_COMPILE_CACHE: undefined }

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Direct children of a process, by pid. */
function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[1]) === parent
      } catch {
        return false
      }
    })
    .map(Number)
}

/** The folder of temporary files that the gateway gave to a child; `undefined` before the child has started. */
function folderOf(child: number): string | undefined {
  try {
    const cache = /NODE_COMPILE_CACHE=([^\0]+)/.exec(readFileSync(`/proc/${child}/environ`, 'utf8'))
    return cache === null ? undefined : dirname(cache[1]!)
  } catch {
    return undefined
  }
}

/** A gateway that has just begun to start, its first child, and its folder. */
async function starting(): Promise<{ gateway: PosternProcess; child: number; folder: string }> {
  const file = join(gatewayFolder(config()), 'gateway.json')
  const gateway = postern(['run', '-c', file], { env: uncached })
  const [child, folder] = await until('the first child', () => {
    for (const pid of childrenOf(gateway.child.pid!)) {
      const found = folderOf(pid)
      if (found !== undefined) return [pid, found] as const
    }
  })
  expect(existsSync(folder)).toBe(true)
  return { gateway, child, folder }
}

/** The pid of the only worker, once the log names it. */
function workerOf({ process: { workers } }: { process: PosternProcess }): Promise<number> {
  return until('the worker', () => workers()[0])
}

const unwritable = /the log cannot be written/g

describe('a log that cannot be written', () => {
  it('a full disk: it serves, says so once, and ends as soon as it is told to', async () => {
    const full = openSync('/dev/full', 'w')
    const gateway = await startGateway(config({ workers: 2, drain: '60s' }), {}, { output: full })
    closeSync(full)
    for (let i = 0; i < 8; i++) expect((await send(gateway.port('web'), '/')).body).toBe('here')
    await until('the words', () => gateway.process.stderr().search(unwritable) !== -1)
    gateway.process.child.kill('SIGTERM')
    expect(await gateway.process.exited).toEqual({ code: 0, signal: null })
    expect(gateway.process.stderr().match(unwritable)).toHaveLength(1)
    expect(gateway.process.stderr()).toContain('ENOSPC')
  })

  it('a reader that has stopped: it serves, and ends as soon as it is told to', async () => {
    const gateway = await startGateway(config({ drain: '60s' }))
    gateway.process.child.stdout!.pause()
    // More than a socket holds, with the path of each in the log.
    for (let i = 0; i < 60; i++) await send(gateway.port('web'), `/${'x'.repeat(8_000)}`)
    gateway.process.child.kill('SIGTERM')
    const ended = new Promise((resolve) => gateway.process.child.once('exit', resolve))
    expect(await ended).toBe(0)
    gateway.process.child.stdout!.resume()
  })
})

describe('an end that is not an easy one', () => {
  it('a spare that dies is said; a worker that does not end is killed after the drain, and that too', async () => {
    const gateway = await startGateway(config({ drain: '1s' }), {}, { spare: true })
    const worker = await workerOf(gateway)
    const spare = await until('the spare', () => {
      return childrenOf(gateway.process.child.pid!).find((pid) => pid !== worker)
    })
    process.kill(spare, 'SIGKILL')
    expect(await gateway.record(({ msg }) => msg === 'spare worker died')).toMatchObject({ pid: spare })
    process.kill(worker, 'SIGSTOP')
    gateway.process.child.kill('SIGTERM')
    expect(await gateway.record(({ msg }) => String(msg).startsWith('workers killed'))).toMatchObject({
      pids: [worker],
    })
    expect((await gateway.process.exited).code).toBe(1)
    expect(isAlive(worker)).toBe(false)
  })

  it('a signal while it starts ends it: no child lives on, no file is left', async () => {
    const { gateway, child, folder } = await starting()
    gateway.child.kill('SIGTERM')
    expect(await gateway.exited).toEqual({ code: 0, signal: null })
    expect(gateway.stderr()).not.toContain('postern: ready')
    expect(isAlive(child)).toBe(false)
    expect(existsSync(folder)).toBe(false)
  })

  it('SIGKILL while it starts: its children see that it is gone, and remove its files', async () => {
    const { gateway, child, folder } = await starting()
    gateway.child.kill('SIGKILL')
    await until('the child to end', () => !isAlive(child))
    expect(existsSync(folder)).toBe(false)
  })

  it('a second signal waits for nothing but the end of its children, the spare among them', async () => {
    const gateway = await startGateway(config(), {}, { spare: true, env: uncached })
    const pid = gateway.process.child.pid!
    const children = await until('worker and spare', () => (childrenOf(pid).length === 2 ? childrenOf(pid) : undefined))
    const folder = folderOf(children[0]!)!
    process.kill(await workerOf(gateway), 'SIGSTOP')
    gateway.process.child.kill('SIGTERM')
    await gateway.record(({ msg }) => msg === 'draining')
    gateway.process.child.kill('SIGTERM')
    expect((await gateway.process.exited).code).toBe(1)
    expect(gateway.log.at(-1)).toMatchObject({ msg: 'terminated immediately' })
    expect(children.filter(isAlive)).toEqual([])
    expect(existsSync(folder)).toBe(false)
  })

  it('a terminal that is closed ends it, once its requests are answered; a hang-up from elsewhere reloads it', async () => {
    let release: (() => void) | undefined
    const backend = await httpBackend((_request, response) => {
      release = () => response.end('done')
    })
    const folder = gatewayFolder({ ...(httpConfig([backend.port]) as object), workers: 1 } as Json)
    const main = join(import.meta.dirname, '../../core/main.ts')
    const command = `exec "${process.execPath}" --no-node-snapshot --disable-sigusr1 "${main}"`
    const terminal = spawn('script', ['-qec', command, '/dev/null'], {
      cwd: folder,
      env: { ...process.env, ...cached, POSTERN_SPARE: '0' },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    let text = ''
    terminal.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    const found = (pattern: RegExp): Promise<number> =>
      until(
        () => `${pattern}: ${text}`,
        () => pattern.exec(text),
        60_000,
      ).then(([, number]) => Number(number))
    const pid = await found(/ready \(pid (\d+);/)
    const port = await found(/listener "web".* port (\d+)/)
    process.kill(pid, 'SIGHUP')
    await until(
      () => `the reload: ${text}`,
      () => text.includes('reloaded changed=[]'),
      60_000,
    )
    // On a terminal the log is short.
    expect(text).not.toContain('"msg"')
    const children = childrenOf(pid)
    const answer = send(port, '/')
    await until('the request to be in flight', () => release)
    terminal.kill('SIGKILL')
    await refused(port)
    // The shell says it too.
    process.kill(pid, 'SIGHUP')
    release!()
    expect((await answer).body).toBe('done')
    await until('the gateway to end', () => [pid, ...children].every((one) => !isAlive(one)))
  })
})

/** Until a port takes no more connections. */
async function refused(port: number): Promise<void> {
  for (;;) {
    const socket = await open(port).catch(() => undefined)
    if (socket === undefined) return
    socket.destroy()
  }
}

describe('signals of other servers', () => {
  it('USR1 and USR2 are answered in the log and open no debugger, QUIT drains', async () => {
    const gateway = await startGateway(config())
    const { child } = gateway.process
    const worker = await workerOf(gateway)
    process.kill(worker, 'SIGUSR1')
    child.kill('SIGUSR1')
    child.kill('SIGUSR2')
    await gateway.record(({ msg }) => String(msg).startsWith('SIGUSR1 ignored'))
    await gateway.record(({ msg }) => String(msg).startsWith('SIGUSR2 ignored'))
    expect((await send(gateway.port('web'), '/')).body).toBe('here')
    expect(gateway.process.stderr()).not.toContain('Debugger')
    expect(readFileSync(`/proc/${child.pid}/cmdline`, 'utf8')).toContain('postern: supervisor')
    expect(readFileSync(`/proc/${worker}/cmdline`, 'utf8')).toContain('postern: worker 1')
    child.kill('SIGQUIT')
    expect(await gateway.process.exited).toEqual({ code: 0, signal: null })
    expect(gateway.log.at(-1)).toMatchObject({ msg: 'drained' })
  })

  it('where there is no /proc, nobody is harmed by the look for USR1', async () => {
    const withoutProc = `
      import fs from 'node:fs'
      import { syncBuiltinESMExports } from 'node:module'
      const { readFileSync } = fs
      fs.readFileSync = (file, ...options) => {
        if (file !== '/proc/self/status') return readFileSync(file, ...options)
        console.error('no /proc')
        return readFileSync('/nowhere/status', ...options)
      }
      syncBuiltinESMExports()`
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(withoutProc)}` }
    const gateway = await startGateway(config(), {}, { env })
    await until('a look', () => gateway.process.stderr().split('no /proc').length > 2, 30_000)
    expect(gateway.process.ended()).toBe(false)
    expect((await send(gateway.port('web'), '/')).body).toBe('here')
  })
})
