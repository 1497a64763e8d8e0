import type { Reply } from '../../sdk/reply.ts'
import { PosternError } from '../errors.ts'
import { Fields } from '../http1/fields.ts'
import { BodyPath, type BodySource } from './body-path.ts'
import { problemOf } from './outcome.ts'
import type { FinalResponse } from './request-state.ts'

/** A body that was made here has no source. */
export const noSource: BodySource = { pause: (): void => {}, resume: (): void => {} }

/** A reply or an error as the client gets it, its whole body included. */
export function madeResponse(result: Reply | PosternError, requestId: string): FinalResponse {
  const { status, headers, body: text } = result instanceof PosternError ? problemOf(result, requestId) : result
  const bytes = Buffer.from(text)
  const body = new BodyPath(noSource)
  body.replace(bytes)
  const fields = new Fields(headers.flat())
  if (status !== 204 && status !== 304) fields.set('content-length', `${bytes.length}`)
  // What follows on the connection cannot be told from the rest of a malformed request.
  if (result instanceof PosternError && result.code === 'DPE') fields.set('connection', 'close')
  return { status, reason: '', fields, body }
}
