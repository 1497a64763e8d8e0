import { spawn, spawnSync } from 'node:child_process'
import { closeSync, createReadStream, mkdtempSync, openSync, readFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished, test, vi } from 'vitest'
import { ByteWriter } from '../../core/telemetry/byte-writer.ts'
import { LineBatch } from '../../core/telemetry/line-batch.ts'
import { until } from '../helpers/until.ts'

function flushed(batch: LineBatch): Promise<void> {
  return new Promise((resolve) => batch.flush(resolve))
}

test('every line arrives whole and in order, whatever its length and characters', async () => {
  const line = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 300 }),
    fc.integer({ min: 0, max: 100_000 }).map((length) => 'ä'.repeat(length)),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 60 }), async (lines) => {
      const file = join(mkdtempSync(join(tmpdir(), 'postern-log-')), 'log')
      const descriptor = openSync(file, 'w')
      const batch = new LineBatch(descriptor)
      const texts = lines.map((text) => JSON.stringify({ text }))
      for (const text of texts) batch.write(`${text}\n`)
      await flushed(batch)
      closeSync(descriptor)
      const written = readFileSync(file, 'utf8')
      expect(written).toBe(texts.map((text) => `${text}\n`).join(''))
    }),
    { numRuns: 30 },
  )
})

test('lines of several processes never mix in a pipe', async () => {
  const source = `
    const { LineBatch } = await import(process.argv[1])
    const batch = new LineBatch(1)
    for (let i = 0; i < 4000; i++) batch.write(JSON.stringify({ by: process.argv[2], i, text: 'x'.repeat(i % 700) }) + '\\n')
    batch.flush(() => process.exit())
  `
  const module = new URL('../../core/telemetry/line-batch.ts', import.meta.url).href
  // One pipe that both write to, as workers do.
  const writers = ['a', 'b'].map((name) => `"${process.execPath}" --input-type=module -e "$SOURCE" "${module}" ${name}`)
  const shell = spawn('sh', ['-c', `${writers.join(' & ')}; wait`], { env: { ...process.env, SOURCE: source } })
  let text = ''
  shell.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  await new Promise((resolve) => shell.on('close', resolve))
  const next = { a: 0, b: 0 }
  for (const line of text.trimEnd().split('\n')) {
    const { by, i } = JSON.parse(line) as { by: 'a' | 'b'; i: number }
    expect(i).toBe(next[by]++)
  }
  expect(next).toEqual({ a: 4000, b: 4000 })
})

test('a pipe whose reader has stopped holds nothing up, and has every line once it reads again', async () => {
  const pipe = join(mkdtempSync(join(tmpdir(), 'postern-log-')), 'pipe')
  spawnSync('mkfifo', [pipe])
  // Open at both ends, so that opening it waits for no other process.
  const both = openSync(pipe, 'r+')
  const troubles: string[] = []
  const batch = new LineBatch(both, (problem) => troubles.push(problem))
  const lines = Array.from({ length: 3_000 }, (_, i) => `${i} ${'x'.repeat(90)}\n`)
  for (const line of lines) batch.write(line)
  // Not flushed, and no thread waits: the file system still answers.
  const isFlushed = await Promise.race([flushed(batch).then(() => true), stat(pipe).then(() => false)])
  expect(isFlushed).toBe(false)
  let text = ''
  const reader = createReadStream('', { fd: openSync(pipe, 'r'), autoClose: false, encoding: 'utf8' })
  reader.on('data', (chunk) => {
    text += chunk
  })
  await until('the lines', () => text.length === lines.join('').length)
  expect(text).toBe(lines.join(''))
  expect(troubles).toEqual([])
  reader.destroy()
  closeSync(both)
})

test('a reader that has stopped is told of every five seconds, not at each attempt', async () => {
  const pipe = join(mkdtempSync(join(tmpdir(), 'postern-log-')), 'pipe')
  spawnSync('mkfifo', [pipe])
  const both = openSync(pipe, 'r+')
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
  onTestFinished(() => {
    vi.useRealTimers()
    closeSync(both)
  })
  let troubles = 0
  const writer = new ByteWriter(both, () => troubles++)
  for (let i = 0; i < 80; i++) writer.write(Buffer.alloc(4096, 'x'))
  // Until the pipe is full, and the first attempt has failed.
  await vi.waitUntil(() => vi.getTimerCount() === 1)
  for (const end = performance.now() + 16_000; performance.now() < end; ) {
    vi.advanceTimersByTime(64)
    while (vi.getTimerCount() === 0) await stat(pipe)
  }
  expect(troubles).toBe(3)
})

test('a full disk is said, and ends the wait for what cannot be written', async () => {
  const full = openSync('/dev/full', 'w')
  const troubles: string[] = []
  const batch = new LineBatch(full, (problem) => troubles.push(problem))
  batch.write('one\n')
  await flushed(batch)
  expect(troubles).toEqual([expect.stringContaining('ENOSPC')])
  batch.write('two\n')
  await flushed(batch)
  closeSync(full)
})

test('a reader that has gone ends the wait too, without a word', async () => {
  const source = `
    const { LineBatch } = await import(process.argv[1])
    const batch = new LineBatch(1, (problem) => console.error(problem))
    const write = () => new Promise((resolve) => { batch.write('x'.repeat(5000) + '\\n'); batch.flush(resolve) })
    for (let i = 0; i < 50; i++) await write()
  `
  const module = new URL('../../core/telemetry/line-batch.ts', import.meta.url).href
  const command = `"${process.execPath}" --input-type=module -e "$SOURCE" "${module}" | true`
  const { status, stderr } = spawnSync('bash', ['-o', 'pipefail', '-c', command], {
    env: { ...process.env, SOURCE: source },
    encoding: 'utf8',
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
})
