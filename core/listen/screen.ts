import { PosternError } from '../errors.ts'
import type { Fields } from '../http1/fields.ts'
import type { HttpPlan } from '../snapshot.ts'
import { screenUnderscores } from './underscores.ts'
import { isLoop } from './via.ts'

/** What the head of a request is refused for, wherever it may be going; aliases of trusted headers are dropped from it. */
export function screen(fields: Fields, { config, snapshot }: HttpPlan): PosternError | undefined {
  const problem = screenUnderscores(fields, config.underscores)
  if (problem !== undefined) return new PosternError('DPE', problem)
  if (!isLoop(fields, snapshot.via)) return undefined
  return new PosternError('LD', `the request has passed this gateway already, as "${snapshot.via.pseudonym}"`)
}
