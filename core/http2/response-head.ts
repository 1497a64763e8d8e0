import { Fields } from '../http/fields.ts'
import { Malformed } from '../http/malformed.ts'
import { problemOfField } from './field-check.ts'
import { markedIn } from './never-indexed.ts'

/** Most fields of a response's head, and of its trailers. */
const maxFields = 500
const maxTrailers = 200

/** The head of a response, interim or final. */
export interface ResponseHead {
  /** 100 to 999, never 101. */
  readonly status: number
  readonly fields: Fields
  /** What `content-length` says; `undefined` without it. */
  readonly length: number | undefined
}

const pseudoTwice = new Malformed('":status" occurs twice')
const pseudoLate = new Malformed('a pseudo-header follows a header')
const pseudoUnknown = new Malformed('a pseudo-header of a response is not ":status"')
const pseudoInTrailers = new Malformed('a pseudo-header is among the trailers')
const noStatus = new Malformed('":status" is missing')
const badStatus = new Malformed('":status" is not a number of three digits from 100 on')
const switched = new Malformed('the status is 101, which HTTP/2 does not have')
const badLength = new Malformed('Content-Length is not one decimal number in its shortest form')
const tooMany = new Malformed(`more than ${maxFields} header fields`)
const tooManyTrailers = new Malformed(`more than ${maxTrailers} trailers`)

/**
 * Reads the head of a response (RFC 9113 §8.3.2).
 *
 * @param list name, value, name, value, as the header block had them, names in any case; not used afterwards
 */
export function readResponseHead(list: readonly string[]): ResponseHead | Malformed {
  let at = 0
  let statusText: string | undefined
  while (at < list.length && list[at]!.charCodeAt(0) === 0x3a) {
    if (list[at] !== ':status') return pseudoUnknown
    if (statusText !== undefined) return pseudoTwice
    statusText = list[at + 1]!
    at += 2
  }
  if (statusText === undefined) return noStatus
  const status = /^[1-9]\d\d$/.test(statusText) ? Number(statusText) : 0
  if (status === 0) return badStatus
  if (status === 101) return switched
  if (list.length - at > 2 * maxFields) return tooMany
  const kept: string[] = []
  let length: number | undefined
  for (; at < list.length; at += 2) {
    const name = list[at]!
    const value = list[at + 1]!
    const problem = problemOfField(name, value, pseudoLate)
    if (problem !== undefined) return problem
    if (name === 'content-length') {
      if (length !== undefined || !/^(?:0|[1-9]\d{0,14})$/.test(value)) return badLength
      length = Number(value)
    }
    kept.push(name, value)
  }
  const fields = new Fields(kept, true)
  fields.secrets = markedIn(list)
  return { status, fields, length }
}

/** Reads the trailers of a response; what would frame the message is dropped (RFC 9110 §6.5.1). */
export function readTrailers(list: readonly string[]): Fields | Malformed {
  if (list.length > 2 * maxTrailers) return tooManyTrailers
  const kept: string[] = []
  for (let i = 0; i < list.length; i += 2) {
    const problem = problemOfField(list[i]!, list[i + 1]!, pseudoInTrailers)
    if (problem !== undefined) return problem
    if (list[i] !== 'content-length') kept.push(list[i]!, list[i + 1]!)
  }
  const trailers = new Fields(kept, true)
  trailers.secrets = markedIn(list)
  return trailers
}
