import { describe, expect, test } from 'vitest'
import { exchanges } from './cases/exchanges.ts'
import { fields } from './cases/fields.ts'
import { messages } from './cases/messages.ts'
import { paths } from './cases/paths.ts'
import { runOverHttp2, translate } from './over-http2.ts'

const duties = [...fields, ...messages, ...exchanges, ...paths].sort((a, b) => a.number - b.number)
let played = 0

// Those that are one request with the same meaning in both versions, from a client of HTTP/2 to a backend of HTTP/1.1.
for (const { number, title, cases } of duties) {
  const translated = cases.flatMap((one) => {
    const request = translate(one)
    return request === undefined ? [] : [{ one, request }]
  })
  played += translated.length
  if (translated.length === 0) continue
  describe(`§${number} ${title}, over HTTP/2`, () => {
    for (const { one, request } of translated) {
      test(one.rfc === undefined ? one.what : `RFC ${one.rfc}: ${one.what}`, () => runOverHttp2(one, request))
    }
  })
}

test('most of the duties are among them', () => {
  expect(played).toBeGreaterThan(150)
})
