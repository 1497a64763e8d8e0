import { type ChildProcess, fork } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { HookName } from '../../sdk/points.ts'
import type { Verdict } from '../sandbox/plugin.ts'
import { type BuildProblem, PluginBuildError } from '../sandbox/plugin-build-error.ts'
import type { Runner, RunnerFacts, RunnerOrder } from './runner.ts'
import type { TestFetch, TestFetchRequest, TestFetchResponse } from './stub-fetch.ts'

/** What this process asks of the one with the isolates. Each but `close` is answered under its number. */
export type Question =
  | { readonly type: 'open'; readonly order: RunnerOrder; readonly fetches: boolean }
  /** `plugin`: the number of the question that opened it. */
  | {
      readonly type: 'run'
      readonly plugin: number
      readonly hook: HookName
      readonly input: string
      readonly flow: string
    }

export type ToChild =
  | { readonly number: number; readonly question: Question }
  | { readonly close: number }
  | { readonly fetched: number; readonly response?: TestFetchResponse; readonly problem?: string }

export type FromChild =
  | { readonly number: number; readonly value: unknown }
  | { readonly number: number; readonly problem: string; readonly problems?: readonly BuildProblem[] | undefined }
  | { readonly fetch: number; readonly plugin: number; readonly request: TestFetchRequest }

/** Time for opening a plugin, and for a hook beyond what it may wait, ms: after that nothing but a signal ends its code. */
const patience = { open: 60_000, run: 5_000 }

/** That of the system, also when a test replaces the timers. */
const { setTimeout: startTimer, clearTimeout: stopTimer } = globalThis

/**
 * Opens the plugin in an isolate of another process: plugin code can crash V8, and a test must not end with its process.
 * One process serves all tests of this one.
 */
export async function openApart(order: RunnerOrder, fetch: TestFetch | undefined): Promise<Runner> {
  let opened = await open(order, fetch)
  const { facts } = opened
  return {
    facts,
    run: async (hook, input, flow) => {
      if (opened.host.ended) opened = await open(order, fetch)
      const question: Question = { type: 'run', plugin: opened.plugin, hook, input, flow }
      const subject = `policy "${facts.name}" (plugin "${facts.name}"), ${hook}, `
      return (await opened.host.ask(question, subject, order.limits.wait + patience.run)).value as Verdict
    },
    close: () => opened.host.close(opened.plugin),
  }
}

interface Opened {
  readonly host: IsolateProcess
  readonly plugin: number
  readonly facts: RunnerFacts
}

let shared: IsolateProcess | undefined

async function open(order: RunnerOrder, fetch: TestFetch | undefined): Promise<Opened> {
  if (shared === undefined || shared.ended) shared = new IsolateProcess()
  const host = shared
  const question: Question = { type: 'open', order, fetches: fetch !== undefined }
  const { number, value } = await host.ask(question, `opening ${order.file}: `, patience.open, fetch)
  return { host, plugin: number, facts: value as RunnerFacts }
}

interface Asked {
  /** Begins what is said about it. */
  readonly subject: string
  resolve(answer: { number: number; value: unknown }): void
  reject(error: Error): void
}

class IsolateProcess {
  ended = false
  readonly #child: ChildProcess
  readonly #asked = new Map<number, Asked>()
  /** What answers the requests of a plugin. */
  readonly #fetches = new Map<number, TestFetch>()
  #number = 0
  #stuck = false

  constructor() {
    const file = fileURLToPath(new URL(`./isolate-child${extname(import.meta.url)}`, import.meta.url))
    const conditions = process.execArgv.filter((argument) => argument.startsWith('--conditions='))
    this.#child = fork(file, {
      execArgv: ['--no-node-snapshot', ...conditions],
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#child.unref()
    this.#child.channel?.unref()
    this.#child.on('message', (message: FromChild) => this.#receive(message))
    this.#child.on('error', (error) => this.#end(error.message))
    this.#child.on('exit', (code, signal) => this.#end(signal ?? `exit code ${code}`))
  }

  async ask(
    question: Question,
    subject: string,
    limit: number,
    fetch?: TestFetch,
  ): Promise<{ number: number; value: unknown }> {
    const number = ++this.#number
    if (fetch !== undefined) this.#fetches.set(number, fetch)
    const timer = startTimer(() => {
      this.#stuck = true
      this.#child.kill('SIGKILL')
    }, limit)
    // Only while something is awaited does the other process keep this one running.
    if (this.#asked.size === 0) this.#child.channel?.ref()
    try {
      return await new Promise((resolve, reject) => {
        this.#asked.set(number, { subject, resolve, reject })
        this.#send({ number, question })
      })
    } finally {
      stopTimer(timer)
      this.#asked.delete(number)
      if (this.#asked.size === 0) this.#child.channel?.unref()
    }
  }

  close(plugin: number): void {
    this.#fetches.delete(plugin)
    if (!this.ended) this.#send({ close: plugin })
  }

  #send(message: ToChild): void {
    // What cannot be delivered has no answer, and `#end` says why.
    this.#child.send(message, () => {})
  }

  #receive(message: FromChild): void {
    if ('fetch' in message) void this.#fetch(message)
    else if ('value' in message) this.#asked.get(message.number)?.resolve(message)
    else {
      const { number, problem, problems } = message
      this.#asked.get(number)?.reject(problems === undefined ? new Error(problem) : new PluginBuildError(problems))
    }
  }

  async #fetch({ fetch, plugin, request }: Extract<FromChild, { fetch: number }>): Promise<void> {
    try {
      const response = await this.#fetches.get(plugin)!(request)
      this.#send({ fetched: fetch, response })
    } catch (error) {
      this.#send({ fetched: fetch, problem: error instanceof Error ? error.message : String(error) })
    }
  }

  #end(how: string): void {
    this.ended = true
    const why = this.#stuck
      ? 'PT: its code did not return, and its process had to be killed'
      : `PM: its process crashed (${how}); code that takes more memory than V8 has ends like this`
    const also =
      this.#asked.size > 1 ? `; ${this.#asked.size} calls ran at that time, and one of them is the cause` : ''
    for (const { subject, reject } of this.#asked.values()) reject(new Error(subject + why + also))
  }
}
