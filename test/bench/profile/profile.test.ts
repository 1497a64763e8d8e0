import { expect, test } from 'vitest'
import cases from '../cases/profile.json' with { type: 'json' }
import { parseSamples } from './samples.ts'
import { selfCosts } from './self-costs.ts'

test.each(cases)('$stack.0: $part', ({ part, stack, thread = 1 }) => {
  expect(selfCosts([{ thread, stack }], 1)).toMatchObject([{ part, share: 1 }])
})

const printed = `     7 
	    7f891f004940 JS:*parseFields file:///app/core/http1/parse-fields.ts:9:8
	         1632224 Builtins_JSEntryTrampoline

      7 
	ffffffff8111111a tcp_sendmsg_locked.constprop.0
	ffffffff8111111b sock_write_iter

      8 
	          a54f4f v8::internal::compiler::(anonymous namespace)::Reduce<int>
`

test('what perf prints becomes parts and their functions, the largest first', () => {
  const samples = parseSamples(printed)
  expect(samples.map(({ thread, stack }) => [thread, stack.length])).toEqual([
    [7, 2],
    [7, 2],
    [8, 1],
  ])
  expect(selfCosts([...samples, samples[1]!], 7)).toEqual([
    { part: 'kernel: writes to sockets', share: 0.5, functions: [['tcp_sendmsg_locked', 0.5]] },
    { part: 'HTTP codec and connections', share: 0.25, functions: [['parseFields', 0.25]] },
    { part: 'compiling JavaScript', share: 0.25, functions: [['compiler::Reduce', 0.25]] },
  ])
})

test('what is nothing of perf has no samples', () => {
  expect(parseSamples('')).toEqual([])
  expect(selfCosts([], 1)).toEqual([])
})
