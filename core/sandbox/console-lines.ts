import { ownText } from '../own-text.ts'
import { bounds } from './bounds.ts'
import type { SandboxEvent } from './event.ts'
import type { PluginCode } from './plugin.ts'

/**
 * What plugins write to `console` becomes events, in development only: a bounded number a second.
 *
 * A plugin chooses how deep the stack is when it writes. So a line is only kept then: in code that does more the stack
 * could overflow at any point, and leave what it works on half done.
 */
export class ConsoleLines {
  readonly #onEvent: (event: SandboxEvent) => void
  readonly #isWanted: () => boolean
  #second = 0
  #lines = 0
  #kept: SandboxEvent[] = []

  constructor(onEvent: (event: SandboxEvent) => void, isWanted: () => boolean) {
    this.#onEvent = onEvent
    this.#isWanted = isWanted
  }

  /** Returns whether the plugin may write more. */
  write({ name, hash }: PluginCode, text: unknown): boolean {
    const isWanted = this.#isWanted()
    const second = Math.floor(performance.now() / 1_000)
    if (second !== this.#second) this.#lines = 0
    this.#second = second
    if (this.#lines++ >= bounds.consoleLines) return isWanted
    const message = isWanted ? ownText(String(text).slice(0, bounds.lines.length)) : unwanted
    this.#kept.push({ type: 'console', plugin: name, hash, alone: false, message })
    return isWanted
  }

  /** Reports the lines that were written. Called when no code of a plugin runs. */
  flush(): void {
    if (this.#kept.length === 0) return
    const kept = this.#kept
    this.#kept = []
    for (const event of kept) this.#onEvent(event)
  }
}

const unwanted =
  "it writes to console, which is dropped outside of development: add 'log' to needs and use log of the hook's argument"
