import { GrantError } from './grant-error.ts'
import { metricProblem } from './metric-problem.ts'
import type { MetricRegistry } from './metric-registry.ts'
import type { Operation } from './operation.ts'

/** Host side of `Metric`. Arguments: name, value, label, value, … */
export function createMetric(registry: MetricRegistry): Record<'count' | 'observe', Operation> {
  const recorder = (kind: 'counter' | 'histogram'): Operation => {
    return ([name = '', amount = '', ...labels], { plugin }) => {
      const pairs = new Map<string, string>()
      for (let i = 0; i + 1 < labels.length; i += 2) pairs.set(labels[i]!, labels[i + 1]!)
      const problem = metricProblem(name, Number(amount), kind, [...pairs])
      if (problem !== undefined) throw new GrantError(problem)
      registry.record(plugin.name, kind, name, Number(amount), [...pairs])
      return []
    }
  }
  return { count: recorder('counter'), observe: recorder('histogram') }
}
