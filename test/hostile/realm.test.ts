import { expect, test } from 'vitest'
import { arena, expectRefused } from './harness.ts'
import { expectUnharmed, underAttack } from './siege.ts'

test('there is no WebAssembly, no shared memory and no way to Node', async () => {
  const ring = await arena(['no-wasm'])
  const siege = await underAttack(ring, () => ring.bad('no-wasm'))
  expect(siege.result).toMatchObject({ status: 200, body: '{"found":[]}' })
  expectUnharmed('WebAssembly absent', siege, 'nothing found')
})

test('what one plugin does to its builtins, no other plugin sees', async () => {
  const ring = await arena(['pollute', 'careless'], { options: { careless: { keys: { abc: 'alice' } } } })
  const siege = await underAttack(ring, async () => {
    const answers = []
    for (const path of ['/prototypes', '/prototypes', '/builtins', '/builtins']) {
      answers.push(await ring.bad('pollute', path))
      answers.push(await ring.bad('careless', '/?token=abc', { headers: { 'x-token': 'polluted' } }))
    }
    return answers
  })
  for (const [i, answer] of siege.result.entries()) {
    if (i % 2 === 1) expect(JSON.parse(answer.body)).toMatchObject({ known: [null, null, 'alice'], own: ['abc'] })
    // It may spoil its own calls. What it sends upstream is no more than it declared.
    else if (answer.status === 200) {
      const { headers } = JSON.parse(answer.body) as { headers: Record<string, string> }
      expect(Object.keys(headers).filter((name) => name.startsWith('x-') && !name.startsWith('x-forwarded'))).toEqual(
        expect.arrayContaining([]),
      )
      expect(headers['x-polluted'] ?? '').not.toContain('yes')
    } else expectRefused(answer)
  }
  const statuses = siege.result.filter((_, i) => i % 2 === 0).map(({ status }) => status)
  expectUnharmed('prototype pollution', siege, `the polluter itself got ${statuses.join(', ')}`)
})

test('no object of another realm is within reach', async () => {
  const ring = await arena(['escape'], { limits: { escape: { time: '1s' } } })
  const headers = { 'x-a': 'a', cookie: 'a=b' }
  const siege = await underAttack(ring, async () => [
    await ring.bad('escape', '/all', { headers }),
    await ring.bad('escape', '/thenable', { headers }),
    await ring.bad('escape', '/thrown', { headers }),
    // What the two before have seen is kept in the module and told here.
    await ring.bad('escape', '/all', { headers }),
  ])
  const [all, , thrown, again] = siege.result
  expect(all?.status, all?.body).toBe(200)
  const found = JSON.parse(all!.body) as { foreign: string[]; looked: number }
  expect(found.foreign).toEqual([])
  expect(found.looked).toBeGreaterThan(100)
  expectRefused(thrown!)
  expect((JSON.parse(again!.body) as { foreign: string[] }).foreign).toEqual([])
  expectUnharmed('realm escapes', siege, `${found.looked} objects looked at, none foreign`)
})
