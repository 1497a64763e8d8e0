import { expect, test } from 'vitest'
import { until } from '../helpers/until.ts'
import { arena, expectRefused } from './harness.ts'
import type { Answer } from './send.ts'
import { expectUnharmed, underAttack } from './siege.ts'

const names = [
  'host',
  'Host',
  'te',
  'content-length',
  'transfer-encoding',
  'Transfer-Encoding',
  'connection',
  'keep-alive',
  'proxy-connection',
  'trailer',
  'upgrade',
  ':path',
  'x y',
  'x:y',
  'x\r\ny',
  'x\0y',
  '',
  'x-é',
]
const values = ['a\r\nx-injected: yes', 'a\nx-injected: yes', 'a\rb', 'a\0b', '\x1f', '\r\n\r\nGET / HTTP/1.1', '\x7f']
const ofValues = values.map((value) => ({ name: 'x-plain', value }))
const attempts = [...names.map((name) => ({ name, value: '1' })), ...ofValues]

test('what would split or redirect a message is refused, however it is written', async () => {
  const ring = await arena(['inject'])
  const inject = (way: string, name: string, value: string): Promise<Answer> => {
    return ring.bad('inject', '/', {
      headers: { 'x-attempt': encodeURIComponent(JSON.stringify({ way, name, value })) },
    })
  }
  // Each is a fault, and at a hundred the plugin would be quarantined.
  for (const [way, tried] of Object.entries({ set: attempts, reply: attempts, respond: attempts, append: ofValues })) {
    const siege = await underAttack(ring, async () => {
      const answers = []
      for (const { name, value } of tried) answers.push(await inject(way, name, value))
      return answers
    })
    for (const [k, answer] of siege.result.entries()) {
      expect(answer.headers['x-injected'], JSON.stringify(tried[k])).toBeUndefined()
      expectRefused(answer)
    }
    expectUnharmed(`header injection by ${way}`, siege, `${tried.length} of ${tried.length} → 500`)
  }
  // A title is text in JSON: whatever it holds, it stays the title.
  for (const title of ['a\r\nx-injected: 1\r\n\r\nb', 'a","status":200,"x":"', '\0\u001b[2J\u2028\ud800']) {
    const { status, headers, body } = await inject('title', '', title)
    expect({ status, injected: headers['x-injected'] }).toEqual({ status: 403, injected: undefined })
    expect(JSON.parse(body)).toMatchObject({ status: 403, title })
  }
  for (const name of ['host', 'content-length', 'connection', 'transfer-encoding']) {
    expectRefused(await inject('remove', name, ''))
  }
  await ring.record('PE', ({ msg, outcome }) => msg === 'policy failed' && outcome === 'PE:inject')
  const failures = ring.log().filter(({ msg }) => msg === 'policy failed')
  expect(failures.every(({ outcome }) => outcome === 'PE:inject')).toBe(true)
})

test('10⁵ operations of one call end at the bound', async () => {
  const ring = await arena(['operations'], { limits: { operations: { time: '500ms' } } })
  for (const path of ['writes', 'swallowed', 'grants', 'size']) {
    const siege = await underAttack(ring, () => ring.bad('operations', `/${path}`))
    const answer = siege.result
    // Errors that it swallowed are its own business: what was refused was refused.
    if (path === 'swallowed' && answer.status === 200) {
      expect((JSON.parse(answer.body) as { headers: Record<string, string> }).headers['x-n']).toBe('999')
    } else expectRefused(answer)
    expectUnharmed(`10⁵ operations (${path})`, siege, `→ ${answer.status}`)
  }
  await ring.record('PE', ({ outcome }) => outcome === 'PE:operations')
})

test('state over the cap is refused', async () => {
  const ring = await arena(['state-overflow'])
  const siege = await underAttack(ring, async () => ({
    most: await ring.bad('state-overflow', '/4096'),
    over: [await ring.bad('state-overflow', '/4097'), await ring.bad('state-overflow', '/10000000')],
  }))
  expect(siege.result.most).toMatchObject({ status: 200, body: '4096' })
  // onResponse still has its turn, and sees that there is no state.
  for (const answer of siege.result.over) expect(answer.body).not.toMatch(/\d{4}/)
  await ring.record('the cap', ({ outcome, cause }) => outcome === 'PE:state-overflow' && /4096/.test(String(cause)))
  expectUnharmed('state over the cap', siege, '4,096 characters pass, 4,097 and 10⁷ do not')
})

test('what is not declared can be neither read nor written', async () => {
  const ring = await arena(['scope'])
  const headers = { authorization: 'Bearer secret-token', cookie: 'session=secret-session', 'x-declared': 'open' }
  const reading = await underAttack(ring, () => ring.bad('scope', '/read?token=secret-query', { headers }))
  expect(reading.result.status, reading.result.body).toBe(200)
  expect(JSON.parse(reading.result.body)).toMatchObject({ seen: [], grants: [], leaked: false })
  expect(reading.result.body).not.toContain('secret')
  expectUnharmed('reads outside the scope', reading, 'nothing seen')
  const ways = ['header', 'remove', 'upstream', 'consumer']
  const writing = await underAttack(ring, async () => {
    const answers = []
    for (const way of ways) answers.push(await ring.bad('scope', `/${way}`, { headers }))
    return answers
  })
  for (const answer of writing.result) expectRefused(answer)
  const causes = await until('the refusals', () => {
    const refusals = ring.log().filter(({ msg, outcome }) => msg === 'policy failed' && outcome === 'PE:scope')
    return refusals.length === ways.length && refusals.map(({ cause }) => String(cause))
  })
  for (const cause of causes) expect(cause).toContain('declare writes')
  expectUnharmed(
    'writes outside the scope',
    writing,
    `${ways.length} of ${ways.length} → 500 PE, the log says what to declare`,
  )
})
