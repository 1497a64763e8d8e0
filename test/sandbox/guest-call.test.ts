import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ABSENT } from '../../core/grants/operation.ts'
import { GuestCall, type HookEntry } from '../../core/sandbox/guest/call.ts'
import { ContextView } from '../../core/sandbox/guest/context.ts'
import { Guest, indexesOf } from '../../core/sandbox/guest/guest.ts'
import { readRecord } from '../../core/sandbox/records.ts'
import { encodeField, encodeItems, ITEM, OPERATION, RECORD, UNIT } from '../../core/sandbox/wire.ts'

const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom('\x1a', '\x1b', RECORD, OPERATION, UNIT, ITEM, 'E', 'W', '_', ',') }),
)
const value = fc.option(text, { nil: undefined })

function callOf(fields: readonly string[], parts: readonly string[], state: string | undefined): GuestCall {
  const entry: HookEntry = {
    hook: 'onRequest',
    mayAwait: true,
    fields: new Map(fields.map((field, index) => [field, index])),
    headers: indexesOf('header:', fields),
    responseHeaders: indexesOf('response.header:', fields),
    options: {},
    operations: 64,
    needs: [],
    undeclared: new Set(),
  }
  return new GuestCall(1, entry, 0, encodeField(state), '', '', '', '', '', '', '', '', parts)
}

describe('any declared fields in', () => {
  test('a plugin reads what the host wrote', () => {
    const headers = fc.array(fc.tuple(fc.stringMatching(/^[a-z-]+$/), text), { minLength: 1 })
    fc.assert(
      fc.property(value, value, value, headers, (path, consumer, state, lines) => {
        const parts = [encodeField(path), encodeField(consumer), encodeItems(lines.flat())]
        const view = new ContextView(callOf(['path', 'consumer', 'header:*'], parts, state))
        expect([view.request.path, view.request.consumer, view.state]).toEqual([path, consumer, state])
        expect(view.request.headers()).toEqual(lines)
      }),
    )
  })

  test('an input that ends early reads as absent', () => {
    const view = new ContextView(callOf(['path', 'header:*'], [], undefined))
    expect([view.request.path, view.request.headers()]).toEqual([undefined, []])
  })
})

describe('any operations out', () => {
  test('the host reads what a plugin wrote', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text), { maxLength: 20 }), value, (lines, state) => {
        const call = callOf([], [], undefined)
        const { request } = new ContextView(call)
        for (const [name, line] of lines) request.setHeader(name, line)
        request.state = state
        const record = call.take()
        expect(record).not.toContain(RECORD)
        const wanted = [...lines.map((line) => ['H', ...line]), ['S', state ?? ABSENT]]
        expect(readRecord(record)).toEqual(wanted)
      }),
    )
  })

  test('the record of a hook can be read for any return value and any error', () => {
    const setup = JSON.stringify({
      needs: [],
      policies: [{ options: {}, operations: 64 }],
      entries: ['onRequest', 'onResponse', 'onConnect', 'onClose', 'selectBackend'].map((hook) => {
        return { policy: 0, hook, fields: [] }
      }),
    })
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true }), fc.boolean(), fc.nat(4), (result, throws, entry) => {
        const hook = (): unknown => {
          if (throws) throw result
          return result
        }
        const plugin = { onRequest: hook, onResponse: hook, onConnect: hook, onClose: hook, selectBackend: hook }
        const guest = new Guest(plugin, setup, () => {})
        const record = guest.enter(1, entry, `L7${UNIT}${ABSENT}`)
        expect(record).not.toContain(RECORD)
        expect(readRecord(record)).toBeTypeOf('object')
      }),
    )
  })
})
