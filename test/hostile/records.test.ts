import { expect, test } from 'vitest'
import { arena, expectRefused } from './harness.ts'
import type { Answer } from './send.ts'
import { expectUnharmed, underAttack } from './siege.ts'

interface Attempt {
  readonly way: string
  readonly before?: string
  readonly text?: string
  readonly times?: number
}

/** What is forged, and why the host refuses it. */
const attempts: readonly (readonly [what: string, attempt: Attempt, cause: RegExp])[] = [
  // The host searched each of these operations for an argument, up to the end of the record.
  [
    'very many operations',
    { way: 'throw', before: 'x\x1ex', text: '\x1dW', times: 120_000 },
    /more than 1000 operations/,
  ],
  ['very many arguments', { way: 'throw', text: '\x1e', times: 200_000 }, /more than 10000 arguments/],
  ['a record of 1.2 MB', { way: 'throw', text: 'x', times: 600_000 }, /more than 262144 characters/],
  ['an unknown operation', { way: 'write', text: 'a\x1dZx' }, /malformed record/],
  ['a body among the operations', { way: 'write', text: 'a\x1dQYQ==' }, /malformed record/],
  ['an undeclared header', { way: 'write', text: 'a\x1dH\x1ex-role\x1eadmin' }, /declare writes: \['header:x-role'\]/],
  ['a header of the gateway', { way: 'write', text: 'a\x1dH\x1ehost\x1eevil' }, /declare writes: \['header:host'\]/],
  ['the consumer', { way: 'write', text: 'a\x1dC\x1eadmin' }, /declare writes: \['consumer'\]/],
  ['the upstream', { way: 'write', text: 'a\x1dU\x1eapp' }, /declare writes: \['upstream'\]/],
  ['a backend', { way: 'write', text: 'a\x1dB\x1e0' }, /a backend that is not a candidate/],
  ['a grant that it does not have', { way: 'write', text: 'a\x1dO\x1e1\x1ekv.get\x1ek' }, /kv\.get without the grant/],
  [
    'a line of a log that it does not have',
    { way: 'write', text: 'a\x1dN\x1elog.info\x1ex' },
    /log\.info without the grant/,
  ],
  [
    'a long state',
    { way: 'write', before: 'a\x1dS\x1e', text: 's', times: 100_000 },
    /at most 4096 characters, not 100000/,
  ],
]

test('a forged record gets its plugin nothing, and the host is not kept from its work', async () => {
  const ring = await arena(['forge'])
  const forge = (attempt: Attempt): Promise<Answer> =>
    ring.bad('forge', '/', { headers: { 'x-attempt': encodeURIComponent(JSON.stringify(attempt)) } })
  const siege = await underAttack(ring, async () => {
    const answers = []
    for (const [, attempt] of attempts) answers.push(await forge(attempt))
    return answers
  })
  for (const answer of siege.result) expectRefused(answer)
  for (const [what, , cause] of attempts) {
    await ring.record(what, (record) => record.msg === 'request' && cause.test(String(record.cause)))
  }
  expectUnharmed('forged records', siege, `${attempts.length} of ${attempts.length} → 500`)
})

test('a thrown text is cut, whatever its length and its lines', async () => {
  const ring = await arena(['forge'])
  const text = '\n    at f (plugin://bundle.js:1:1)'
  const attempt = { way: 'throw', before: `long story ${'x'.repeat(1_500)}`, text, times: 2_000 }
  const headers = { 'x-attempt': encodeURIComponent(JSON.stringify(attempt)) }
  expectRefused(await ring.bad('forge', '/', { headers }))
  const told = await ring.record('the failure', ({ msg, cause }) => {
    return msg === 'policy failed' && String(cause).includes('long story')
  })
  expect(String(told.cause).length).toBeLessThan(5_000)
  const record = await ring.record(
    'the request',
    ({ msg, cause }) => msg === 'request' && /long story/.test(String(cause)),
  )
  expect(String(record.cause)).not.toContain('\n')
  expect(String(record.cause)).toHaveLength(500)
})

test('a body does not depend on a builtin that the plugin replaces', async () => {
  const ring = await arena(['forge'])
  const headers = { 'x-attempt': encodeURIComponent(JSON.stringify({ way: 'encode' })) }
  const siege = await underAttack(ring, () => ring.bad('forge', '/', { headers }))
  expect(siege.result).toMatchObject({ status: 200, body: 'as written' })
  expectUnharmed('replaced base64', siege)
})

test('records that are sent late, for other calls or without end', async () => {
  const ring = await arena(['forge'], { limits: { forge: { wait: '1s', time: '1s' } } })
  const forge = (way: string): Promise<Answer> =>
    ring.bad('forge', '/', { headers: { 'x-attempt': encodeURIComponent(JSON.stringify({ way })) } })
  const siege = await underAttack(ring, async () => {
    const hanging = [forge('hang'), forge('hang'), forge('hang'), forge('hang')]
    await new Promise((resolve) => setTimeout(resolve, 200))
    const found = []
    for (let i = 0; i < 4; i++) found.push((await forge('emit')).body)
    return { found, hanging: await Promise.all(hanging) }
  })
  for (const answer of siege.result.hanging) expectRefused(answer, [500, 504])
  expectUnharmed('late records', siege, `ways found: ${siege.result.found.join(', ')}`)
})
