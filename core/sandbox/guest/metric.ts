import type { Metric, MetricLabels } from '../../../sdk/grants.ts'
import { metricProblem } from '../../grants/metric-problem.ts'
import type { GuestCall } from './call.ts'
import { text } from './text.ts'

export class MetricView implements Metric {
  readonly #call: GuestCall

  constructor(call: GuestCall) {
    this.#call = call
  }

  count(name: string, value = 1, labels: MetricLabels = {}): void {
    this.#write('metric.count', 'counter', name, value, labels)
  }

  observe(name: string, value: number, labels: MetricLabels = {}): void {
    this.#write('metric.observe', 'histogram', name, value, labels)
  }

  #write(operation: string, kind: 'counter' | 'histogram', name: string, value: number, labels: MetricLabels): void {
    const pairs = Object.entries(labels).map(([label, content]): [string, string] => {
      return [label, text(`${operation}: the label ${label}`, content)]
    })
    const problem = metricProblem(text(`${operation}: the name`, name), value, kind, pairs)
    if (problem !== undefined) throw new TypeError(`${operation}: ${problem}`)
    this.#call.note(operation, [name, String(value), ...pairs.flat()])
  }
}
