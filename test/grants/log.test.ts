import { expect, test } from 'vitest'
import { createPluginLog, type PluginLine } from '../../core/grants/plugin-log.ts'
import { until } from '../helpers/until.ts'
import { grantCall } from './call.ts'

function open(): { lines: PluginLine[]; info: (message: string, fields?: unknown, plugin?: string) => void } {
  const lines: PluginLine[] = []
  const { info } = createPluginLog((line) => lines.push(line))
  return {
    lines,
    info: (message, fields, name = 'probe') => {
      const args =
        fields === undefined ? [message] : [message, typeof fields === 'string' ? fields : JSON.stringify(fields)]
      void info(args, grantCall('log.info', [], { plugin: { name, publisher: 'local', hash: '' }, request: 'r1' }))
    },
  }
}

test('a line says who wrote it', () => {
  const { lines, info } = open()
  info('seen', { ip: '192.0.2.1', n: 1, yes: true, no: null })
  const fields = { ip: '192.0.2.1', n: 1, yes: true, no: null }
  expect(lines).toEqual([{ level: 'info', plugin: 'probe', policy: 'p', request: 'r1', message: 'seen', fields }])
})

test('no line ends another, none turns a terminal over', () => {
  const { lines, info } = open()
  info('a\r\nb\u001b[31m\u009b\u202e\u2028\ud800', { 'k\n': 'v\u0000' })
  expect(lines[0]!.message).toBe('a\\u000d\\u000ab\\u001b[31m\\u009b\\u202e\\u2028\ufffd')
  expect(lines[0]!.fields).toEqual({ 'k\\u000a': 'v\\u0000' })
})

test('whatever stands for fields, a line comes of it', () => {
  const { lines, info } = open()
  for (const fields of ['{', '[1]', 'null', '"x"', '{"__proto__":"x","o":{},"a":[1]}', '']) info('m', fields)
  expect(lines.map((line) => ({ ...line.fields }))).toEqual([
    { fields: '{' },
    { 0: 1 },
    {},
    {},
    Object.fromEntries([['__proto__', 'x']]),
    {},
  ])
  info('x'.repeat(70_000), Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`k${i}`, 'y'.repeat(1_000)])))
  expect(JSON.stringify(lines.at(-1)).length).toBeLessThan(2_400)
})

test('a hundred a second, then one that says how many were dropped', async () => {
  const { lines, info } = open()
  for (let i = 0; i < 1_000; i++) info(`line ${i}`)
  info('of another plugin', undefined, 'other')
  expect(lines).toHaveLength(101)
  await until('the note', () => lines.length === 102)
  expect(lines[101]).toMatchObject({ level: 'warn', plugin: 'probe' })
  expect(lines[101]!.message).toBe('900 lines of this plugin were dropped; the limit is 100 a second')
  info('again')
  expect(lines).toHaveLength(103)
})
