import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import type { CounterStore } from '../../core/grants/counter/store.ts'
import { createGrantHost, type GrantHostOptions, type GrantService } from '../../core/grants/grant-host.ts'
import type { PluginLine } from '../../core/grants/plugin-log.ts'
import type { Sandbox, Verdict } from '../../core/sandbox/plugin.ts'
import { createSandbox } from '../../core/sandbox/sandbox.ts'
import { until } from '../helpers/until.ts'
import { callOf, headerOf, inputOf, instanceOf } from '../sandbox/harness.ts'

const secret = 's'.repeat(32)

interface Opened {
  readonly sandbox: Sandbox
  readonly grants: GrantService
  readonly lines: PluginLine[]
  run(path: string, authorization?: string): Promise<Verdict>
}

async function open(options: GrantHostOptions = {}, url = 'http://x.example/'): Promise<Opened> {
  const lines: PluginLine[] = []
  const grants = createGrantHost({ onLog: (line) => lines.push(line), ...options })
  const instance = await instanceOf('p', {
    plugin: 'granted',
    options: { url, secret },
    fields: ['path', 'header:authorization'],
  })
  const fetch = [{ origin: new URL(url).origin, private: true }]
  const sandbox = createSandbox({ instances: [{ ...instance, fetch }], grants })
  const run = (...values: (string | undefined)[]): Promise<Verdict> =>
    new Promise((settle) => sandbox.call(callOf(0, values, settle)))
  return { sandbox, grants, lines, run }
}

function seen(verdict: Verdict): unknown {
  if (verdict.kind === 'failed') throw new Error(verdict.message)
  return JSON.parse(headerOf(verdict) ?? 'null')
}

const bytes = Buffer.concat([Buffer.from('hé😀'), Buffer.from([0x1a, 0x1c, 0x1e, 0x1f])])

test('fetch: what was sent, what came, as text and as bytes', async () => {
  const asked: unknown[] = []
  const { run, sandbox } = await open({
    fetch: async (order, origins) => {
      asked.push([order, origins])
      return {
        status: 203,
        headers: [['x-served', 'yes']],
        body: asked.length === 1 ? bytes : Buffer.from([255, 0, 26]),
      }
    },
  })
  expect(seen(await run('/fetch'))).toEqual([203, 'yes', bytes.toString(), [...bytes]])
  expect(seen(await run('/fetch'))).toEqual([203, 'yes', '\ufffd\0\u001a', [255, 0, 26]])
  const order = {
    url: 'http://x.example/',
    user: 'p',
    method: 'POST',
    headers: [['X-Asked', 'yes']],
    body: 'ping',
    timeout: 2_000,
    limit: 1_048_576,
    onBytes: expect.any(Function) as unknown,
  }
  expect(asked[0]).toEqual([order, [{ origin: 'http://x.example', private: true }]])
  sandbox.close()
})

test('fetch: an answer of the largest size, and JSON behind a byte order mark', async () => {
  let body = Buffer.from(JSON.stringify({ long: 'é'.repeat(500_000) }))
  const { run, sandbox } = await open({ fetch: async () => ({ status: 200, headers: [], body }) })
  const verdict = await run('/json')
  // More than a hook may write, so it is refused there and not on its way in.
  expect(verdict).toMatchObject({ kind: 'failed', message: expect.stringContaining('may write') })
  body = Buffer.from('\ufeff{"a":1}')
  expect(seen(await run('/json'))).toEqual({ a: 1 })
  sandbox.close()
})

test('fetch: many large responses at once are refused beyond what a policy may hold, and only then', async () => {
  const body = Buffer.from(JSON.stringify({ long: 'x'.repeat(1_000_000) }))
  const { run, sandbox } = await open({ fetch: async () => ({ status: 200, headers: [], body }) })
  for (let round = 0; round < 3; round++) {
    const verdicts = await Promise.all(Array.from({ length: 40 }, () => run('/size')))
    const seen = verdicts.map((verdict) => (verdict.kind === 'done' ? headerOf(verdict) : verdict.message))
    const refused = seen.filter((text) =>
      text?.includes('fetch.send: the calls of this policy that are under way hold'),
    )
    const answered = seen.filter((text) => text === '1000011')
    expect(answered.length + refused.length).toBe(40)
    // Each is held at least once with two bytes a character.
    expect(answered.length).toBeGreaterThan(1)
    expect(answered.length).toBeLessThanOrEqual(20)
  }
  sandbox.close()
})

test('fetch: many small responses at once', async () => {
  const body = Buffer.from(JSON.stringify({ long: 'x'.repeat(10_000) }))
  const { run, sandbox } = await open({ fetch: async () => ({ status: 200, headers: [], body }) })
  const verdicts = await Promise.all(Array.from({ length: 200 }, () => run('/size')))
  expect(verdicts.filter((verdict) => headerOf(verdict) !== '10011')).toEqual([])
  sandbox.close()
})

test('fetch: why not', async () => {
  const { run, sandbox } = await open({}, 'http://127.0.0.1:1/')
  expect(seen(await run('/fetch'))).toEqual({
    name: 'GrantError',
    operation: 'fetch.send',
    code: 'failed',
    reason: 'http://127.0.0.1:1 cannot be reached: ECONNREFUSED',
  })
  sandbox.close()
})

test('a client that goes away, and a hook that fails, take what is under way with them', async () => {
  const signals: AbortSignal[] = []
  const { sandbox } = await open({
    fetch: (_order, _origins, signal) => {
      signals.push(signal!)
      return new Promise(() => {})
    },
  })
  let verdicts = 0
  const call = callOf(0, ['/fetch'], () => verdicts++)
  sandbox.call(call)
  await until('the request', () => signals.length === 1)
  expect(signals[0]!.aborted).toBe(false)
  sandbox.cancel(call)
  expect(signals[0]!.aborted).toBe(true)
  expect(verdicts).toBe(0)
  sandbox.close()
})

test('jwt: claims that hold nothing but what the token says', async () => {
  const { run, sandbox } = await open()
  const input = ['{"alg":"HS256"}', '{"sub":"ann"}'].map((part) => Buffer.from(part).toString('base64url')).join('.')
  const token = `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
  expect(seen(await run('/jwt', token))).toEqual([{ sub: 'ann' }, 'bare', true])
  const refused = await run('/jwt', `${token}A`)
  expect(refused.kind === 'done' && refused.operations[0]!.slice(0, 4)).toEqual([
    'Y',
    '401',
    '{"title":"bad signature","status":401}',
    'bad signature',
  ])
  sandbox.close()
})

test('kv', async () => {
  const { run, sandbox } = await open()
  expect(seen(await run('/kv'))).toEqual(['v', null, 2, true])
  expect(seen(await run('/kv'))).toEqual(['v', null, 4, true])
  sandbox.close()
})

test('log and metric: bounded for a call, and kept of one that throws', async () => {
  const { run, lines, grants, sandbox } = await open()
  await run('/many')
  expect(lines.map(({ message }) => message)).toEqual([
    'asked for /many',
    ...Array.from({ length: 19 }, (_, i) => `line ${i}`),
  ])
  expect(lines[0]).toMatchObject({ level: 'info', plugin: 'granted', policy: 'p', fields: { path: '/many' } })
  // 100 notes a call: 20 lines and 80 counts.
  expect(grants.metrics()[0]).toMatchObject({ name: 'many', series: [{ labels: [['half', 'first']], sum: 80 }] })

  const verdict = await run('/throws')
  expect(verdict).toMatchObject({ kind: 'failed', message: expect.stringContaining('as it was told') })
  expect(lines.slice(20).map(({ message }) => message)).toEqual(['asked for /throws', 'about to throw'])
  expect(grants.metrics().find(({ name }) => name === 'thrown')!.series[0]!.sum).toBe(1)

  const wrong = await run('/wrong')
  expect(wrong).toMatchObject({ kind: 'failed', message: expect.stringContaining('metric.count: the name must have') })
  sandbox.close()
})

test('what nobody waits for works where nothing can be waited for', async () => {
  const taken: string[] = []
  const counters: CounterStore = {
    take: async (policy, key) => {
      taken.push(`${policy} ${key}`)
      return { allowed: true, remaining: 1, reset: 1 }
    },
  }
  const { sandbox, lines, grants } = await open({ counters })
  const verdict = await new Promise<Verdict>((settle) => {
    const steps = [{ instance: 0, input: inputOf([]) }]
    const call = { ...callOf(0, [], settle), hook: 'onClose' as const, steps, run: undefined }
    sandbox.call(call)
  })
  expect(verdict.kind).toBe('done')
  await until('the counter', () => taken.length > 0)
  expect(taken).toEqual(['p closed'])
  expect(lines.map(({ message }) => message)).toEqual(['closed'])
  expect(grants.metrics()[0]).toMatchObject({ name: 'seconds', series: [{ labels: [['route', 'a']], count: 1 }] })
  sandbox.close()
})
