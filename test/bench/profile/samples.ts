/** One look at a process. */
export interface Sample {
  /** Id of the thread; that of the main one is the pid. */
  readonly thread: number
  /** The function that ran, then who called it, and so on; the names of JavaScript end with where it stands. */
  readonly stack: readonly string[]
}

/** Reads what `perf script -F tid,ip,sym` prints: a line with the thread, its stack, an empty line. */
export function parseSamples(text: string): Sample[] {
  return text.split(/\n\s*\n/).flatMap((block) => {
    const [head = '', ...frames] = block.trim().split('\n')
    const thread = Number.parseInt(head, 10)
    if (Number.isNaN(thread)) return []
    return [{ thread, stack: frames.map((frame) => frame.trim().replace(/^[0-9a-f]+ /, '')) }]
  })
}
