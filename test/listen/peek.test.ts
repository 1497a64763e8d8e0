import { describe, expect, onTestFinished, test } from 'vitest'
import { preface } from '../../core/http2/frames.ts'
import { Peek, type PeekReader } from '../../core/listen/peek.ts'
import { PrefaceReader } from '../../core/listen/preface-peek.ts'
import { Notes } from '../net/notes.ts'
import { kinds, pair, until } from '../upstream/sockets.ts'

/** Consumes a word up to its space. */
class WordReader implements PeekReader<string> {
  rest = Buffer.alloc(0)

  push(bytes: Buffer): string | undefined {
    this.rest = Buffer.concat([this.rest, bytes])
    const at = this.rest.indexOf(' ')
    if (at === -1) return undefined
    const word = this.rest.toString('latin1', 0, at)
    this.rest = this.rest.subarray(at + 1)
    return word
  }
}

describe.each(kinds.filter((kind) => !kind.startsWith('tls')))('a peek at a stream of the kind %s', (kind) => {
  /** Words in front, each by its own peek; then what follows them. */
  async function open(count: number, limit = 10_000) {
    const [near, far] = await pair(kind)
    far.on('error', () => {})
    onTestFinished(() => {
      near.destroy()
      far.destroy()
    })
    const seen: string[] = []
    const after = new Notes()
    const peeks: Peek<string>[] = []
    const step = (): void => {
      if (seen.length === count) return near.start(after)
      const owner = {
        onPeeked: (word: string) => {
          seen.push(word)
          step()
        },
        onGone: (isLate: boolean) => void seen.push(isLate ? 'late' : 'left'),
      }
      peeks.push(new Peek(near, limit, new WordReader(), owner))
    }
    step()
    return { near, far, seen, after, peeks }
  }

  test('leaves what follows to the next one, in order, wherever the bytes are split', async () => {
    const text = 'one two rest'
    for (let at = 0; at <= text.length; at++) {
      const { far, seen, after } = await open(2)
      far.setNoDelay?.(true)
      far.write(text.slice(0, at))
      await new Promise((resolve) => setImmediate(resolve))
      far.end(text.slice(at))
      await until(() => after.events.includes('end'))
      expect([seen, after.text]).toEqual([['one', 'two'], 'rest'])
    }
  })

  test('ends with its client, and says so once', async () => {
    const { far, seen, peeks } = await open(1)
    far.end('on')
    await until(() => seen.length > 0)
    peeks[0]!.abort()
    expect([seen, peeks[0]!.hasSpoken]).toEqual([['left'], true])
  })

  test('ends when its time is over, however the client dribbles', async () => {
    const { far, seen, peeks } = await open(1, 300)
    const drip = setInterval(() => far.write('x'), 20)
    onTestFinished(() => clearInterval(drip))
    await until(() => seen.length > 0)
    expect([seen, peeks[0]!.stream.isOpen]).toEqual([['late'], false])
  })

  test('that is aborted tells its owner nothing', async () => {
    const { near, far, seen, peeks } = await open(1)
    far.write('on')
    await until(() => peeks[0]!.hasSpoken)
    peeks[0]!.abort()
    await until(() => !near.isOpen)
    expect(seen).toEqual([])
  })
})

test('the preface of HTTP/2 is known at its last byte, anything else at the first that differs', () => {
  const byByte = new PrefaceReader()
  const results = [...preface].map((byte) => byByte.push(Buffer.from([byte])))
  expect(results).toEqual([...new Array(preface.length - 1).fill(undefined), '2'])
  expect(byByte.rest).toEqual(preface)
  const other = new PrefaceReader()
  expect([other.push(Buffer.from('PR')), other.push(Buffer.from('OPFIND / HTTP/1.1')), `${other.rest}`]).toEqual([
    undefined,
    '1.1',
    'PROPFIND / HTTP/1.1',
  ])
})
