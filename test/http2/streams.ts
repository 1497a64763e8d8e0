import {
  continuation,
  data,
  frame,
  goaway,
  headers,
  ping,
  priority,
  rawSettings,
  request,
  rst,
  settings,
  windowUpdate,
} from './frames.ts'
import { encodeBlock, integerOf, type Literal } from './hpack.ts'

/** Numbers that look random and are the same for the same seed. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** From 0 to below `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }

  /** Once in so many times. */
  once(times: number): boolean {
    return this.below(times) === 0
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)))
  }
}

const names = [
  'x-a',
  'cookie',
  'te',
  'host',
  'content-length',
  'X-Up',
  'connection',
  'x b',
  '',
  'transfer-encoding',
  ':path',
  ':status',
  'expect',
]
const values = [
  '',
  'b',
  'a.test',
  '3',
  '0',
  'trailers',
  'chunked',
  ' x',
  'y ',
  'a\0b',
  'a\r\nb: c',
  '\xff',
  'q'.repeat(300),
  '100-continue',
]
const methods = ['GET', 'POST', 'HEAD', 'PUT', 'OPTIONS', 'CONNECT', 'G T', '']
const statuses = ['200', '200', '200', '204', '304', '404', '500', '100', '103', '101', '99', '1000', 'x', '']
const edges = [0, 1, 2, 3, 4, 7, 8, 100, 16_384, 65_535, 0x7fffffff, 0x80000000, 0xffffffff]

/** The ids that most frames name, and now and then another. */
function id(random: Random): number {
  return random.once(12) ? random.of([0, 2, 4, 0x7fffffff, 0x80000001, 999]) : random.of([1, 3, 5, 7])
}

/** Fields that are mostly right. */
function fieldsOf(random: Random): string[] {
  const list: string[] = []
  for (let count = random.below(4); count > 0; count--) {
    list.push(random.once(3) ? random.of(names) : 'x-a', random.once(3) ? random.of(values) : 'b')
  }
  return list
}

/** A header block: a good one, one with HPACK that is odd, or noise. */
function blockOf(random: Random, list: readonly string[]): Buffer {
  if (random.once(20)) return random.bytes(random.below(40))
  const block = encodeBlock(list, random.of<Literal>(['plain', 'indexed', 'never']))
  if (!random.once(6)) return block
  const odd = random.of([
    integerOf(random.of(edges), 7, 0x80),
    integerOf(random.of(edges), 5, 0x20),
    Buffer.of(0x80 | random.below(128)),
    Buffer.of(0x40 | random.below(64), random.below(4)),
  ])
  return random.once(2) ? Buffer.concat([odd, block]) : Buffer.concat([block, odd])
}

function requestHead(random: Random): string[] {
  const list = [':method', random.once(4) ? random.of(methods) : random.of(['GET', 'POST'])]
  list.push(
    ':scheme',
    random.once(20) ? random.of(values) : 'http',
    ':path',
    random.once(12) ? random.of(values) : '/a',
  )
  if (!random.once(10)) list.push(':authority', random.once(12) ? random.of(values) : 'a.test')
  list.push(...fieldsOf(random))
  return list
}

function headOf(random: Random, isRequest: boolean): string[] {
  if (random.once(6)) return fieldsOf(random)
  return isRequest ? requestHead(random) : [':status', random.of(statuses), ...fieldsOf(random)]
}

/** One random frame, or a HEADERS with its CONTINUATION. @param isRequest of a client */
export function anyFrame(random: Random, isRequest: boolean): Buffer {
  const on = id(random)
  const number = random.of(edges)
  const end = random.once(2)
  switch (random.below(16)) {
    case 0:
      return windowUpdate(on, number)
    case 1:
      return rst(on, random.below(16))
    case 2:
      return random.once(2) ? ping() : ping(random.bytes(random.below(12)), random.once(2))
    case 3:
      return random.once(2) ? rawSettings([[random.below(10), number]]) : settings({ initialWindowSize: 1_000 })
    case 4:
      return random.once(6) ? goaway(on, random.below(16)) : priority(on, random.below(10))
    case 5:
      return continuation(on, blockOf(random, fieldsOf(random)), end)
    case 6:
      return frame(random.below(16), random.below(256), on, random.bytes(random.below(30)))
    case 7:
    case 8:
    case 9:
      return data(
        on,
        random.bytes(random.of([0, 1, 3, 100, 5_000])),
        random.once(4) ? { end, padding: random.below(256) } : { end },
      )
    default:
      return headers(on, blockOf(random, headOf(random, isRequest)), {
        end,
        complete: !random.once(15),
        ...(random.once(4) && { split: 1 + random.below(40) }),
        ...(random.once(4) && { padding: random.below(256) }),
      })
  }
}

/** Good frames, for `mutated`: of a client, and of a backend that answers stream 1 (and 3, 5). */
export function goodFrames(random: Random, isRequest: boolean): Buffer[] {
  const frames: Buffer[] = []
  for (const on of [1, 3, 5]) {
    if (!isRequest) frames.push(...goodResponse(random, on))
    else if (random.once(2)) frames.push(request(on, fieldsOf(random), { end: true, split: 1 + random.below(60) }))
    else {
      frames.push(request(on, [':method', 'POST', 'content-length', '6'], {}), data(on, 'abc', { padding: 2 }))
      frames.push(data(on, 'def'), headers(on, ['x-sum', '1'], { end: true }))
    }
    frames.push(random.of([ping(), settings(), windowUpdate(0, 1_000), priority(on), frame(0xbb, 0, 0)]))
  }
  return frames
}

function goodResponse(random: Random, on: number): Buffer[] {
  const head = [':status', '200', 'content-type', 'text/plain']
  const early = random.once(3) ? [headers(on, [':status', '103', 'link', '</a>'])] : []
  if (random.once(3)) return [...early, headers(on, [...head, 'content-length', '3']), data(on, 'abc', { end: true })]
  if (random.once(2)) return [...early, headers(on, [':status', '204'], { end: true })]
  return [...early, headers(on, head), data(on, 'abc'), headers(on, ['x-sum', '1'], { end: true })]
}

/** The frames with one to four changes, each of the kind that parsers disagree about. */
export function mutated(random: Random, good: readonly Buffer[], isRequest: boolean): Buffer {
  const frames = good.map((one) => Buffer.from(one))
  for (let changes = 1 + random.below(4); changes > 0; changes--) change(random, frames, isRequest)
  const whole = Buffer.concat(frames)
  return random.once(8) ? whole.subarray(0, random.below(whole.length + 1)) : whole
}

function change(random: Random, frames: Buffer[], isRequest: boolean): void {
  const at = random.below(frames.length)
  const one = frames[at]!
  switch (random.below(9)) {
    case 0:
      if (one.length > 0) one[random.below(one.length)]! ^= 1 << random.below(8)
      return
    case 1:
      if (one.length > 0) one[random.below(one.length)] = random.below(256)
      return
    case 2:
      return void frames.splice(at, 0, Buffer.from(one))
    case 3:
      if (frames.length > 1) frames.splice(at, 1)
      return
    case 4:
      return void frames.splice(random.below(frames.length), 0, ...frames.splice(at, 1))
    case 5:
      return void frames.splice(at, 0, anyFrame(random, isRequest))
    case 6:
      // Flags.
      if (one.length > 4) one[4]! ^= random.of([1, 4, 8, 0x20])
      return
    case 7:
      if (one.length > 8) one.writeUInt32BE(id(random) >>> 0, 5)
      return
    default:
      // The length says less or more than there is.
      if (one.length > 2) one.writeUIntBE(Math.max(0, one.readUIntBE(0, 3) + random.of([-1, 1, 8, 300])), 0, 3)
  }
}

/** Random frames, or good ones changed: what stands behind preface and SETTINGS. */
export function hostileStream(random: Random, isRequest: boolean): Buffer {
  if (random.once(2)) return mutated(random, goodFrames(random, isRequest), isRequest)
  return Buffer.concat(Array.from({ length: 1 + random.below(12) }, () => anyFrame(random, isRequest)))
}
