const nameForm = /^[A-Za-z][A-Za-z0-9_]{0,63}$/
const mostLabels = 8
const longestValue = 128

/**
 * Why a value cannot be recorded; `undefined` when it can. The guest calls it for a clear error; the host calls it
 * again because plugin code can manipulate the guest.
 */
export function metricProblem(
  name: string,
  value: number,
  kind: 'counter' | 'histogram',
  labels: readonly (readonly [string, string])[],
): string | undefined {
  if (!nameForm.test(name)) return 'the name must have 1 to 64 letters, digits and underscores, a letter first'
  if (!Number.isFinite(value)) return 'the value must be a finite number'
  if (kind === 'counter' && value < 0) return 'a counter never goes down: the value must be 0 or more'
  if (labels.length > mostLabels) return `a metric has ${labels.length} labels; the limit is ${mostLabels}`
  for (const [label, text] of labels) {
    if (!nameForm.test(label)) return 'a label must have 1 to 64 letters, digits and underscores, a letter first'
    if (text.length > longestValue) return `a label value has ${text.length} characters; the limit is ${longestValue}`
  }
  return undefined
}
