import { createHash } from 'node:crypto'

const most = 10_000_000
let all: Buffer | undefined

/** Up to 10 MB in which every place differs from its neighbours, the same in every run. */
export function content(size: number): Buffer {
  all ??= Buffer.from(generated(most).buffer)
  if (size > most) throw new RangeError(`there are only ${most} bytes`)
  return all.subarray(0, size)
}

export function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function generated(size: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(size / 4)
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 2654435761)
  return words
}
