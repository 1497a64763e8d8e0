import type { Binding } from './layout.ts'
import type { Turn } from './turn.ts'
import { RECORD, UNIT } from './wire.ts'

/**
 * Charges a crossing to the policies whose code ran in it: to each what the clock has moved on during its own turns, and
 * an equal share of the rest, which a crossing costs for any turn in it. The clock inside counts whole milliseconds,
 * so for short turns this is correct on average.
 *
 * @param output of the crossing, which begins with the times of its turns, see `frame.ts`.
 * @param spent time of the whole crossing, ms.
 * @param turns all turns in it. @param ran the policies whose code ran, once for each turn.
 */
export function charge(output: string, spent: number, turns: readonly Turn[], ran: readonly Binding[]): void {
  const times = output.slice(0, Math.max(0, output.indexOf(RECORD)))
  let left = spent
  if (times !== '') {
    const measured = times.split(UNIT).map(Number)
    let total = 0
    for (let i = 1; i < measured.length; i += 2) total += measured[i]!
    const scale = total > spent ? spent / total : 1
    for (let i = 1; i < measured.length; i += 2) {
      const turn = turns[measured[i - 1]!]
      if (turn !== undefined) turn.binding.counts.time += measured[i]! * scale
    }
    left = Math.max(0, spent - total)
  }
  const share = left / ran.length
  for (const { counts } of ran) counts.time += share
}
