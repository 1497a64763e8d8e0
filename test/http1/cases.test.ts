import { describe, expect, test } from 'vitest'
import type { Malformed } from '../../core/http/malformed.ts'
import requests from '../cases/http1/requests.json' with { type: 'json' }
import responses from '../cases/http1/responses.json' with { type: 'json' }
import { llhttpRequests, llhttpResponse } from './llhttp.ts'
import { bytesOf, type Message, type Reading, readRequests, readResponse } from './messages.ts'

interface Case {
  what: string
  bytes: string
  method?: string
  refused?: number | boolean
  accepted?: Partial<Message>[]
  /** What llhttp does, where it differs: the table of differences. */
  llhttp?: 'accepts' | 'refuses'
}

const asExpected = ({ trailers = [], complete = true, ...rest }: Partial<Message>): Partial<Message> => ({
  ...rest,
  trailers,
  complete,
})

function check({ refused, accepted }: Case, reading: Reading): void {
  if (refused !== undefined) {
    expect(reading.refused, 'not refused').toBeDefined()
    if (typeof refused === 'number') expect((reading.refused as Malformed).status).toBe(refused)
    return
  }
  expect(reading.refused).toBeUndefined()
  expect(reading.messages).toEqual(accepted!.map(asExpected))
}

describe('requests', () => {
  test.each(requests as Case[])('$what', (one) => check(one, readRequests([bytesOf(one.bytes)])))

  test.each(requests as Case[])('$what: llhttp', ({ bytes, refused, llhttp }) => {
    const theirs = llhttpRequests(bytes)
    const accepts = theirs.refused === undefined
    expect(accepts, String(theirs.refused)).toBe(llhttp === undefined ? refused === undefined : llhttp === 'accepts')
  })
})

describe('responses', () => {
  test.each(responses as Case[])('$what', (one) => check(one, readResponse([bytesOf(one.bytes)], one.method!, true)))

  test.each(responses as Case[])('$what: llhttp', ({ bytes, method, refused, accepted, llhttp }) => {
    const theirs = llhttpResponse(bytes, method!, true)
    const accepts = theirs.refused === undefined
    const whole = refused === undefined && accepted!.every(({ complete }) => complete !== false)
    expect(accepts, String(theirs.refused)).toBe(llhttp === undefined ? whole : llhttp === 'accepts')
  })
})
