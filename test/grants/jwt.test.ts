import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Fetcher } from '../../core/grants/fetcher.ts'
import { createJwt } from '../../core/grants/jwt.ts'
import { parseOrigin } from '../../core/grants/origin.ts'
import type { RemoteKeysOptions } from '../../core/grants/remote-keys.ts'
import { grantCall } from './call.ts'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const ed = generateKeyPairSync('ed25519').privateKey
const secret = 's'.repeat(64)

function jwk(key: KeyObject, more: object = {}): object {
  return { ...createPublicKey(key).export({ format: 'jwk' }), ...more }
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function token(header: { alg: string; [name: string]: unknown }, claims: unknown, key: KeyObject | string): string {
  const input = `${encode(header)}.${encode(claims)}`
  if (typeof key === 'string') {
    const mac = createHmac(`sha${header.alg.slice(2)}`, key)
      .update(input)
      .digest('base64url')
    return `${input}.${mac}`
  }
  const algorithm = header.alg === 'EdDSA' ? null : `sha${header.alg.slice(2)}`
  return `${input}.${sign(algorithm, Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

const now = Math.floor(Date.now() / 1_000)
const noNetwork: Fetcher = () => Promise.reject(new Error('no network'))

async function verify(
  text: string,
  check: unknown,
  { verify: run } = createJwt(noNetwork),
): Promise<readonly string[]> {
  return run([text, JSON.stringify(check)], grantCall('jwt.verify'))
}

describe('signatures', () => {
  test.each([
    ['RS256', rsa],
    ['RS512', rsa],
    ['ES256', ec],
    ['EdDSA', ed],
  ])('%s', async (alg, key) => {
    const text = token({ alg, kid: 'a' }, { sub: 'ann', exp: now + 60 }, key)
    const [valid, claims, header] = await verify(text, { keys: [jwk(key, { kid: 'a' })] })
    expect([valid, JSON.parse(claims!), JSON.parse(header!)]).toEqual([
      '1',
      { sub: 'ann', exp: now + 60 },
      { alg, kid: 'a' },
    ])
    const changed = text
      .split('.')
      .with(1, encode({ sub: 'eve' }))
      .join('.')
    expect(await verify(changed, { keys: [jwk(key, { kid: 'a' })] })).toEqual(['', 'bad signature'])
  })

  test.each(['HS256', 'HS384', 'HS512'])('%s', async (alg) => {
    const text = token({ alg }, { sub: 'ann' }, secret)
    expect((await verify(text, { secret }))[0]).toBe('1')
    const key = { kty: 'oct', k: Buffer.from(secret).toString('base64url') }
    expect((await verify(text, { secret: key }))[0]).toBe('1')
    expect(await verify(text, { secret: 't'.repeat(64) })).toEqual(['', 'bad signature'])
  })

  test('without a key identifier every key that fits is tried', async () => {
    const text = token({ alg: 'RS256' }, {}, rsa)
    expect((await verify(text, { keys: [jwk(other), jwk(ec), jwk(rsa)] }))[0]).toBe('1')
    expect(await verify(text, { keys: [jwk(other), jwk(ec)] })).toEqual(['', 'bad signature'])
    expect(await verify(text, { keys: [jwk(ec)] })).toEqual(['', 'unknown key'])
  })

  test('a short secret is told of, and only used where it is long enough', async () => {
    const short = 's'.repeat(32)
    expect((await verify(token({ alg: 'HS256' }, {}, short), { secret: short }))[0]).toBe('1')
    expect(await verify(token({ alg: 'HS512' }, {}, short), { secret: short })).toEqual(['', 'algorithm not allowed'])
    await expect(verify(token({ alg: 'HS256' }, {}, 'short'), { secret: 'short' })).rejects.toThrow(
      'the secret is too short: HS256 needs at least 32 bytes',
    )
  })
})

describe('CPU time', () => {
  const spentOn = async (text: string, check: unknown): Promise<[spent: number, outcome: string]> => {
    let spent = 0
    const call = grantCall('jwt.verify', [], {
      spend: (ms) => {
        spent += ms
      },
    })
    const { verify: run } = createJwt(noNetwork)
    const verified = async (): Promise<readonly string[]> => run([text, JSON.stringify(check)], call)
    const outcome = await verified().then(
      ([valid, reason = '']) => (valid === '1' ? 'valid' : reason),
      ({ message }: Error) => message,
    )
    return [spent, outcome]
  }
  const keys = (count: number): object[] => Array.from({ length: count }, () => jwk(rsa))

  test('is charged for each signature, and for what is read before', async () => {
    const text = token({ alg: 'HS256' }, {}, secret)
    const [one, outcome] = await spentOn(text, { secret })
    expect([outcome, one >= 0.5]).toEqual(['valid', true])
    const unnamed = token({ alg: 'RS256' }, {}, other)
    const [many, refused] = await spentOn(unnamed, { keys: keys(16) })
    expect(refused).toBe('bad signature')
    expect(many).toBeGreaterThanOrEqual(16 * 0.5)
    expect((await spentOn('no token', { secret }))[0]).toBeGreaterThan(0)
  })

  test('is bounded where the token does not name its key', async () => {
    const [, outcome] = await spentOn(token({ alg: 'RS256' }, {}, other), { keys: keys(17) })
    expect(outcome).toBe('the token names no key, and more than 16 keys fit')
  })
})

describe('no confusion', () => {
  const keys = [jwk(rsa)]

  test('none', async () => {
    const unsigned = `${encode({ alg: 'none' })}.${encode({ sub: 'eve' })}.`
    for (const alg of ['none', 'None', 'NONE', '']) {
      const text = unsigned.replace(encode({ alg: 'none' }), encode({ alg }))
      for (const check of [{ keys }, { secret }]) expect((await verify(text, check))[0]).toBe('')
      for (const check of [{ keys }, { secret }]) expect((await verify(`${text}AAAA`, check))[0]).toBe('')
    }
    await expect(verify(unsigned, { keys, algorithms: ['none'] })).rejects.toThrow('unknown algorithm none')
  })

  test('a public key is no secret, whatever its spelling', async () => {
    const spellings = [
      createPublicKey(rsa).export({ format: 'pem', type: 'spki' }).toString(),
      JSON.stringify(keys[0]),
      (keys[0] as { n: string }).n,
    ]
    for (const spelling of spellings) {
      expect(await verify(token({ alg: 'HS256' }, {}, spelling), { keys })).toEqual(['', 'algorithm not allowed'])
    }
    await expect(verify('a.b.c', { keys, algorithms: ['HS256'] })).rejects.toThrow('HS256 needs a secret')
    await expect(verify('a.b.c', { keys: [{ kty: 'oct', k: 'AAAA' }] })).rejects.toThrow(
      'give a symmetric key as secret',
    )
    await expect(verify('a.b.c', { secret, algorithms: ['RS256'] })).rejects.toThrow('RS256 needs public keys')
    await expect(verify('a.b.c', { secret, keys })).rejects.toThrow('exactly one of jwksUrl, keys and secret')
    await expect(verify('a.b.c', {})).rejects.toThrow('exactly one of jwksUrl, keys and secret')
  })

  test('a key in the header is not looked at', async () => {
    const text = token({ alg: 'RS256', jwk: jwk(other), jku: 'http://evil', x5c: [] }, {}, other)
    expect(await verify(text, { keys })).toEqual(['', 'bad signature'])
  })

  test('what the key is for holds', async () => {
    const text = token({ alg: 'RS256' }, {}, rsa)
    for (const more of [{ use: 'enc' }, { key_ops: ['encrypt'] }, { alg: 'RS512' }, { alg: 'PS256' }]) {
      expect(await verify(text, { keys: [jwk(rsa, more)] })).toEqual(['', 'unknown key'])
    }
    expect(await verify(text, { keys, algorithms: ['RS512'] })).toEqual(['', 'algorithm not allowed'])
  })

  test('weak keys are none', async () => {
    const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
    const text = token({ alg: 'RS256' }, {}, small)
    expect(await verify(text, { keys: [jwk(small)] })).toEqual(['', 'unknown key'])
    expect((await verify(token({ alg: 'RS256' }, {}, rsa), { keys: [jwk(small), jwk(rsa), { kty: 'x' }] }))[0]).toBe(
      '1',
    )
  })
})

describe('claims', () => {
  test.each([
    [{ exp: now - 5 }, {}, 'expired'],
    [{ exp: now - 5 }, { clockTolerance: 60 }, ''],
    [{ exp: 'soon' }, {}, 'invalid claim "exp"'],
    [{ nbf: now + 50 }, {}, 'not valid yet'],
    [{ nbf: now + 50 }, { clockTolerance: 60 }, ''],
    [{ iss: 'a' }, { issuer: 'b' }, 'wrong issuer'],
    [{ iss: 'a' }, { issuer: ['b', 'a'] }, ''],
    [{}, { issuer: 'b' }, 'missing claim "iss"'],
    [{ aud: 'a' }, { audience: 'b' }, 'wrong audience'],
    [{ aud: ['a', 'b'] }, { audience: 'b' }, ''],
    [{}, { required: ['exp'] }, 'missing claim "exp"'],
    [[], {}, 'no claims'],
    ['text', {}, 'no claims'],
  ])('%j with %j: %s', async (claims, check, reason) => {
    const text = token({ alg: 'HS256' }, claims, secret)
    const [valid, first] = await verify(text, { secret, ...check })
    expect(valid === '1' ? '' : first).toBe(reason)
  })

  test.each([
    ['', 'malformed token'],
    ['a.b', 'malformed token'],
    ['a.b.c.d.e', 'malformed token'],
    [`${encode({ alg: 'HS256' })}=.e30.AAAA`, 'malformed token'],
    [`${encode({ alg: 'HS256' })}.e30.AAAA`, 'bad signature'],
    [`${encode({ alg: 'HS256', crit: ['x'], x: 1 })}.e30.AAAA`, 'malformed token'],
    [`${encode([])}.e30.AAAA`, 'malformed token'],
    ['x'.repeat(16_385), 'too large'],
  ])('%s', async (text, reason) => {
    expect(await verify(text, { secret })).toEqual(['', reason])
  })

  test.each([
    [{ secret, issuer: 1 }, 'issuer must be'],
    [{ secret, audience: [] }, 'audience must be'],
    [{ secret, required: 'exp' }, 'required must be'],
    [{ secret, clockTolerance: 1e9 }, 'clockTolerance must be'],
    [{ secret, algorithms: [] }, 'algorithms must be'],
    [{ secret, algorithm: 'HS256' }, 'unknown option "algorithm"'],
    [{ secret: { kty: 'RSA' } }, 'secret must be'],
    [{ keys: {} }, 'keys must be'],
    [{ keys: [null] }, 'keys must be'],
    [{ jwksUrl: 1 }, 'jwksUrl must be'],
    [{ keys: new Array(101).fill({ kty: 'x' }) }, 'the key set has 101 keys; the limit is 100'],
    [{ secret: { kty: 'oct' } }, 'the secret is too short'],
  ])('what makes no sense is told: %#', async (check, message) => {
    await expect(verify('e30.e30.AAAA', check)).rejects.toThrow(message)
  })
})

describe('keys of another server', () => {
  const url = 'https://id.example.com/jwks'
  const origins = [parseOrigin('https://id.example.com')]

  interface Server {
    keys: object[]
    asked: number
    problem?: string
    now: number
    ask(text: string): Promise<string>
  }

  function server(keys: object[], options: RemoteKeysOptions = {}): Server {
    const state: Server = {
      keys,
      asked: 0,
      now: 0,
      ask: async (text) => {
        const [valid, reason] = await jwt.verify(
          [text, JSON.stringify({ jwksUrl: url })],
          grantCall('', [], { origins }),
        )
        return valid === '1' ? 'valid' : reason!
      },
    }
    const jwt = createJwt(
      async () => {
        state.asked++
        await new Promise((resolve) => setImmediate(resolve))
        if (state.problem !== undefined) return { status: 500, headers: [], body: Buffer.from(state.problem) }
        return { status: 200, headers: [], body: Buffer.from(JSON.stringify({ keys: state.keys })) }
      },
      { now: () => state.now, ...options },
    )
    return state
  }

  const old = token({ alg: 'RS256', kid: 'old' }, {}, rsa)
  const next = token({ alg: 'ES256', kid: 'next' }, {}, ec)
  const oldKey = jwk(rsa, { kid: 'old' })
  const nextKey = jwk(ec, { kid: 'next' })

  test('are asked for once, however many wait', async () => {
    const id = server([oldKey])
    const all = await Promise.all(Array.from({ length: 50 }, () => id.ask(old)))
    expect(new Set(all)).toEqual(new Set(['valid']))
    expect(id.asked).toBe(1)
  })

  test('rotate: an unknown key makes the host ask anew, once per cooldown', async () => {
    const id = server([oldKey])
    await id.ask(old)
    id.keys = [oldKey, nextKey]
    expect(await id.ask(next)).toBe('unknown key')
    id.now = 30_000
    const all = await Promise.all(Array.from({ length: 20 }, () => id.ask(next)))
    expect(new Set(all)).toEqual(new Set(['valid']))
    expect(id.asked).toBe(2)
    const forged = token({ alg: 'ES256', kid: 'forged' }, {}, ec)
    for (let i = 0; i < 20; i++) expect(await id.ask(forged)).toBe('unknown key')
    expect(id.asked).toBe(2)
  })

  test('are renewed beside the requests, and outlast an outage of an hour', async () => {
    const id = server([oldKey])
    await id.ask(old)
    id.now = 600_000
    id.problem = 'down'
    expect(await id.ask(old)).toBe('valid')
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(id.asked).toBe(2)
    expect(await id.ask(old)).toBe('valid')
    expect(id.asked).toBe(2)
    id.now = 3_600_000
    await expect(id.ask(old)).rejects.toThrow('the keys cannot be loaded: status 500')
    // Soon after a failure nobody is asked again.
    await expect(id.ask(old)).rejects.toThrow('the keys cannot be loaded: status 500')
    expect(id.asked).toBe(3)
    id.now += 5_000
    delete id.problem
    expect(await id.ask(old)).toBe('valid')
  })

  test('that make no sense are no verdict on the token', async () => {
    const id = server([])
    id.keys = 'none' as never
    await expect(id.ask(old)).rejects.toThrow('not a JSON Web Key Set')
  })

  test('of one policy are kept, however many another one uses', async () => {
    const asked: string[] = []
    const { verify: run } = createJwt(async ({ url: from }) => {
      asked.push(from)
      return { status: 200, headers: [], body: Buffer.from(JSON.stringify({ keys: [oldKey] })) }
    })
    const ask = (policy: string, jwksUrl: string): unknown =>
      run([old, JSON.stringify({ jwksUrl })], grantCall('', [], { origins, policy }))
    await ask('innocent', url)
    for (let i = 0; i < 250; i++) await ask('hostile', `${url}/${i}`)
    await ask('innocent', url)
    expect(asked.filter((from) => from === url)).toHaveLength(1)
    // The hostile one lost those that it used first, and no others.
    await ask('hostile', `${url}/249`)
    expect(asked).toHaveLength(251)
    await ask('hostile', `${url}/0`)
    expect(asked).toHaveLength(252)
  })

  test('are kept for as many policies as a large configuration has', async () => {
    let asked = 0
    const { verify: run } = createJwt(async () => {
      asked++
      return { status: 200, headers: [], body: Buffer.from('{"keys":[]}') }
    })
    const ask = (policy: string): unknown =>
      run([old, JSON.stringify({ jwksUrl: url })], grantCall('', [], { origins, policy }))
    for (let i = 0; i < 2_000; i++) await ask(`policy ${i}`)
    expect(asked).toBe(2_000)
    await ask('policy 0')
    expect(asked).toBe(2_000)
  })

  test('belong to the plugin that may load them', async () => {
    let asked = 0
    const { verify: run } = createJwt(async (_, allowed) => {
      asked++
      if (allowed.length === 0) throw new Error('not listed')
      return { status: 200, headers: [], body: Buffer.from(JSON.stringify({ keys: [oldKey] })) }
    })
    const args = [old, JSON.stringify({ jwksUrl: url })]
    expect((await run(args, grantCall('', [], { origins })))[0]).toBe('1')
    await expect(run(args, grantCall(''))).rejects.toThrow('the keys cannot be used')
    expect(asked).toBe(2)
  })
})
