import type { Jwt, JwtCheck, VerifiedJwt } from '../../../sdk/jwt.ts'
import type { GuestCall } from './call.ts'
import { GrantFailure } from './grant-failure.ts'
import { harden } from './harden.ts'
import { text } from './text.ts'

export class JwtView implements Jwt {
  readonly #call: GuestCall

  constructor(call: GuestCall) {
    this.#call = call
  }

  async verify(token: string, check: JwtCheck): Promise<VerifiedJwt> {
    const values = [text('jwt.verify: the token', token), JSON.stringify(check)]
    const [valid, first = '', header = ''] = await this.#call.grant('jwt.verify', values)
    if (valid !== '1') throw new GrantFailure('jwt.verify', first, 'refused')
    return Object.freeze({ claims: object(first), header: object(header) })
  }
}

function object(json: string): Readonly<Record<string, unknown>> {
  return harden(JSON.parse(json)) as Readonly<Record<string, unknown>>
}
