import type { FlowFacts } from '../hooks/scopes.ts'
import type { Exchange } from '../http/exchange.ts'
import type { Target } from '../route/target.ts'
import type { Phases } from './phases.ts'

// Put together by hand: the form of these lines is fixed, there is one for each request, and a logger took a sixth of the
// CPU time of the request for it. Names of the configuration, addresses and hosts have been judged before and need no escaping; an outcome may carry
// the name that a plugin gives itself.

/**
 * The access record of a request.
 *
 * @param start of the object: level and time
 * @param cause of its outcome, free of secrets
 */
export function requestLine(
  start: string,
  flow: FlowFacts,
  exchange: Exchange,
  target: Target,
  phases: Phases,
  cause: string | undefined,
): string {
  const { request, outcome } = flow
  const status = outcome === 'DC' ? 0 : (flow.response?.status ?? 0)
  let text = whose(start, flow, request?.id)
  if (request?.consumer !== undefined) text += ',"consumer":' + quote(request.consumer)
  // Queries carry tokens and personal data; paths are what routes are made of.
  text += ',"method":"' + exchange.method + '","host":"' + target.host + '","path":' + quote(target.path)
  text += ',"status":' + status
  return text + result(outcome, cause, exchange.bytesIn, exchange.bytesOut, phases) + ',"msg":"request"}\n'
}

/** The access record of an L4 connection; parameters as for a request. */
export function connectionLine(
  start: string,
  flow: FlowFacts & { readonly id: string },
  bytes: { readonly in: number; readonly out: number },
  phases: Phases,
  cause: string | undefined,
): string {
  const text = whose(start, flow, flow.id) + ',"port":' + flow.clientPort
  return text + result(flow.outcome, cause, bytes.in, bytes.out, phases) + ',"msg":"connection"}\n'
}

function whose(start: string, flow: FlowFacts, id: string | undefined): string {
  return start + ',"id":"' + id + where(flow) + ',"client":"' + flow.clientIp + '"'
}

let last = { listener: '', route: undefined as string | undefined, upstream: undefined as string | undefined }
let lastBackend: FlowFacts['backend']
let lastWhere = ''

/** Neighbours in the log mostly went the same way. */
function where({ listenerName, routeName, upstreamName, backend }: FlowFacts): string {
  const isSame =
    backend === lastBackend &&
    routeName === last.route &&
    upstreamName === last.upstream &&
    listenerName === last.listener
  if (isSame) return lastWhere
  let text = '","listener":"' + listenerName + '"'
  if (routeName !== undefined) text += ',"route":"' + routeName + '"'
  if (upstreamName !== undefined) text += ',"upstream":"' + upstreamName + '"'
  if (backend !== undefined) text += ',"backend":"' + backend.address + '"'
  last = { listener: listenerName, route: routeName, upstream: upstreamName }
  lastBackend = backend
  lastWhere = text
  return text
}

function result(outcome: string, cause: string | undefined, bytesIn: number, bytesOut: number, phases: Phases): string {
  let text = ',"outcome":' + quote(outcome)
  if (cause !== undefined) text += ',"cause":' + quote(cause)
  text += ',"bytesIn":' + bytesIn + ',"bytesOut":' + bytesOut + ',"ms":' + thousandths(phases.total)
  return text + ',"phases":{' + phasesOf(phases) + '}' + hooksOf(phases)
}

function phasesOf(phases: Phases): string {
  const { route, policies, queue, connect, head, body } = phases
  let text = ''
  if (route >= 0) text += ',"route":' + thousandths(route)
  if (policies >= 0) text += ',"policies":' + thousandths(policies)
  if (queue >= 0) text += ',"queue":' + thousandths(queue)
  if (connect >= 0) text += ',"connect":' + thousandths(connect)
  if (head >= 0) text += ',"head":' + thousandths(head)
  if (body >= 0) text += ',"body":' + thousandths(body)
  return text.slice(1)
}

function hooksOf({ hooks }: Phases): string {
  if (hooks === undefined) return ''
  let text = ''
  for (const name in hooks) text += ',' + quote(name) + ':' + thousandths(hooks[name]!)
  return ',"hooks":{' + text.slice(1) + '}'
}

const special = /[\u0000-\u001f"\\\ud800-\udfff]/

/** A string as JSON. */
export function quote(text: string): string {
  return special.test(text) ? JSON.stringify(text) : '"' + text + '"'
}

/** `.001` for 1, and nothing for 0. */
const fractions: readonly string[] = Array.from({ length: 1000 }, (_, i) =>
  i === 0 ? '' : `.${String(i).padStart(3, '0').replace(/0+$/, '')}`,
)

/** A number that is not negative, rounded to a thousandth: V8 takes 2.6 times as long, 190 ns, to print one with a fraction. */
export function thousandths(value: number): string {
  const whole = Math.round(value * 1000)
  return Math.floor(whole / 1000) + fractions[whole % 1000]!
}
