/** The candidate most similar to a word, or `undefined` when none is similar enough. */
export function suggest(word: string, candidates: Iterable<string>): string | undefined {
  const lower = word.toLowerCase()
  let best: string | undefined
  let least = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= least) continue
    const distance = distanceOf(lower, candidate.toLowerCase())
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  return best
}

/** The end of a message about an unknown name: the most similar name, or else the list of known names. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const all = [...candidates]
  const near = suggest(word, all)
  if (near !== undefined) return `; did you mean "${near}"?`
  if (all.length === 0 || all.length > 12) return ''
  return `; there ${all.length === 1 ? 'is' : 'are'} ${all.map((name) => `"${name}"`).join(', ')}`
}

/** Number of edits from one word to the other: insert, delete, replace, swap of neighbours. */
function distanceOf(a: string, b: string): number {
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, before[j - 2]! + 1)
      row.push(cost)
    }
    before = last
    last = row
  }
  return last[b.length]!
}
