import { describe, expect, test } from 'vitest'
import type { Case } from './case.ts'
import { exchanges } from './cases/exchanges.ts'
import { fields } from './cases/fields.ts'
import { messages } from './cases/messages.ts'
import { paths } from './cases/paths.ts'
import { play } from './play.ts'
import { shareStages, type Version } from './shared-stage.ts'
import { type NoMeaning, problemOfAnswers, requestsOf, type Sent } from './translate.ts'

const duties = [...fields, ...messages, ...exchanges, ...paths].sort((a, b) => a.number - b.number)
/** Versions of client and backend, and how many of the cases have a meaning between them. */
const combinations: readonly (readonly [Version, Version, number])[] = [
  ['h1', 'h2', 236],
  ['h2', 'h1', 202],
  ['h2', 'h2', 186],
]
const stageFor = shareStages({ http: ['1.1', '2'] })

/** What a case is between these versions, or why it is nothing. */
function translate(one: Case, client: Version, backend: Version): readonly Sent[] | NoMeaning {
  const problem = backend === 'h2' ? problemOfAnswers(one) : undefined
  return problem ?? (client === 'h2' ? requestsOf(one) : [])
}

for (const [client, backend, least] of combinations) {
  let played = 0
  for (const { number, title, cases } of duties) {
    const translated = cases.flatMap((one) => {
      const requests = translate(one, client, backend)
      return typeof requests === 'string' ? [] : [{ one, requests }]
    })
    played += translated.length
    if (translated.length === 0) continue
    describe(`${client}→${backend} §${number} ${title}`, () => {
      for (const { one, requests } of translated) {
        test(one.rfc === undefined ? one.what : `RFC ${one.rfc}: ${one.what}`, async () => {
          await play(one, client, backend, await stageFor(one, backend), requests)
        })
      }
    })
  }
  test(`${client}→${backend}: no case has lost its meaning`, () => {
    expect(played).toBeGreaterThanOrEqual(least)
  })
}
