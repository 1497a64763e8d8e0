import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { createJwt } from '../../core/grants/jwt.ts'
import { grantCall } from './call.ts'

/** https://github.com/C2SP/wycheproof, beside the tree; nothing of it is copied into it. */
const folder = new URL('../../../shared/vectors/wycheproof/', import.meta.url)
const files = ['json_web_signature_test.json', 'json_web_key_test.json', 'json_web_crypto_test.json']

interface Key {
  readonly kty: string
  readonly alg?: string
}

interface Group {
  readonly comment: string
  readonly private?: Key | { readonly keys: readonly Key[] }
  readonly public?: Key | { readonly keys: readonly Key[] }
  readonly tests: readonly Vector[]
}

interface Vector {
  readonly tcId: number
  readonly comment: string
  readonly jws?: string
  readonly result: 'valid' | 'invalid'
}

/** Valid ones that are refused all the same, by what they have in common. */
const declined = {
  spelling: 'not base64url (RFC 7515 §2): the vector expects a decoder that leaves out what it does not know',
  set: 'symmetric keys in a set: a secret is given by itself',
  alg: 'the key says that it is for another algorithm, or for one that does not exist',
}

const { verify } = createJwt(() => Promise.reject(new Error('no network')))

async function accepts(token: string, check: object): Promise<boolean> {
  try {
    const [valid, reason] = await verify([token, JSON.stringify(check)], grantCall('jwt.verify'))
    // The payloads are no claims, which is looked at when the signature has been found good.
    return valid === '1' || reason === 'no claims'
  } catch {
    return false
  }
}

function keysOf(group: Group): readonly Key[] {
  const keys = group.public ?? group.private!
  return 'keys' in keys ? keys.keys : [keys]
}

function reasonToDecline(token: string, keys: readonly Key[]): string | undefined {
  if (!/^[\w.-]*$/.test(token)) return declined.spelling
  if (keys.length > 1 && keys.some(({ kty }) => kty === 'oct')) return declined.set
  const { alg } = JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()) as { alg: string }
  return keys.every((key) => key.alg !== undefined && key.alg !== alg) ? declined.alg : undefined
}

if (existsSync(folder)) {
  test.each(files)(
    '%s: every invalid one is refused, every valid one accepted or declined for a reason',
    async (file) => {
      const { testGroups } = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as { testGroups: Group[] }
      const wrong: string[] = []
      const counts = { refused: 0, accepted: 0, declined: 0, encrypted: 0, mistaken: 0 }
      for (const group of testGroups) {
        const keys = keysOf(group)
        const check = keys.length === 1 && keys[0]!.kty === 'oct' ? { secret: keys[0] } : { keys }
        for (const { tcId, comment, jws, result } of group.tests) {
          if (jws === undefined) {
            counts.encrypted++
            continue
          }
          // The padding that these were to have was lost: word for word they are the valid one.
          if (result === 'invalid' && group.tests.some((other) => other.jws === jws && other.result === 'valid')) {
            counts.mistaken++
            continue
          }
          const accepted = await accepts(jws, check)
          const reason = result === 'valid' ? reasonToDecline(jws, keys) : undefined
          if (accepted !== (result === 'valid' && reason === undefined)) {
            wrong.push(
              `${group.comment} ${tcId} (${comment}) is ${result} and was ${accepted ? 'accepted' : 'refused'}`,
            )
          }
          counts[result === 'invalid' ? 'refused' : accepted ? 'accepted' : 'declined']++
        }
      }
      console.log(file, counts)
      expect(wrong).toEqual([])
      expect(counts.refused).toBeGreaterThan(0)
      expect(counts.mistaken).toBeLessThanOrEqual(2)
    },
  )
} else {
  test('the vectors of Wycheproof', () => {
    console.log(`not run: there are no vectors at ${folder.pathname}`)
    expect(process.env.CI_SERVICES).not.toBe('required')
  })
}
