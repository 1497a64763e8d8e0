/** A location in a document: the keys and indexes from its root. */
export type Path = readonly (string | number)[]

/** One mistake in a configuration. */
export interface Problem {
  /** The file, relative to the working directory; absolute when it is outside of it. */
  readonly file: string
  /** JSON path: `routes.orders-read.match.methods[0]`; empty for the file as a whole. */
  readonly path: string
  /** What is wrong and how to fix it: one line of visible characters, without values of secrets. */
  readonly message: string
  /** From 1; present when the position in the text is known. */
  readonly line?: number
  /** From 1, in UTF-16 units. */
  readonly column?: number
}

/** A problem as one line: `gateway.json:3:7 routes.a.upstream: …`. */
export function formatProblem(problem: Problem): string {
  const { file, path, message, line, column } = problem
  const place = line === undefined ? file : `${file}:${line}:${column ?? 1}`
  return path === '' ? `${place}: ${message}` : `${place} ${path}: ${message}`
}

/** Characters that end a line, move the cursor of a terminal, or change the direction of the text after them. */
const unsafe = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu

/** A text as one line that shows what it holds, whatever a plugin or a file name put into it. */
export function printable(text: string): string {
  return text
    .toWellFormed()
    .replace(/\s*[\r\n]+\s*/g, ' ')
    .replace(unsafe, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

const plainKey = /^[A-Za-z_$][A-Za-z0-9_$-]*$/

/** Writes a path as `a.b[0]["odd name"]`. */
export function formatPath(path: Path): string {
  let text = ''
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`
    else if (plainKey.test(key)) text += text === '' ? key : `.${key}`
    else text += `[${JSON.stringify(key)}]`
  }
  return text
}
