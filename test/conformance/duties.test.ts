import { describe, test } from 'vitest'
import { exchanges } from './cases/exchanges.ts'
import { fields } from './cases/fields.ts'
import { messages } from './cases/messages.ts'
import { paths } from './cases/paths.ts'
import { runCase } from './run-case.ts'
import { shareStages } from './shared-stage.ts'

const duties = [...fields, ...messages, ...exchanges, ...paths].sort((a, b) => a.number - b.number)

const stageFor = shareStages()

// Not `.each`: it shortens the names that `npm run conformance` prints.
for (const { number, title, cases } of duties) {
  describe(`h1→h1 §${number} ${title}`, () => {
    for (const one of cases)
      test(one.rfc === undefined ? one.what : `RFC ${one.rfc}: ${one.what}`, async () => {
        await runCase(one, await stageFor(one, 'h1'))
      })
  })
}
