import type { FlowFacts } from '../hooks/scopes.ts'
import type { Phases } from './phases.ts'
import type { FlowEnd } from './tap.ts'

// Concatenated by hand: these lines have a fixed form, there is one for each request, and a logger took a sixth of the CPU
// time of the request for it. Names in the configuration, addresses, methods and hosts have been checked before and need no
// escaping; an outcome may contain a plugin's name, which its author chose.

/**
 * The access record of a request or of an L4 connection.
 *
 * @param start beginning of the object: level and time
 * @param cause of its outcome, secrets removed
 */
export function accessLine(start: string, end: FlowEnd, cause: string | undefined): string {
  return end.flow.layer === 'L7' ? requestLine(start, end, cause) : connectionLine(start, end, cause)
}

function requestLine(start: string, end: FlowEnd, cause: string | undefined): string {
  const { request, response, outcome } = end.flow
  const status = outcome === 'DC' ? 0 : (response?.status ?? 0)
  let text = originOf(start, end.flow)
  if (request?.consumer !== undefined) text += ',"consumer":' + quote(request.consumer)
  // The path without the query: queries contain tokens and personal data.
  text += ',"method":"' + request?.method + '","host":"' + request?.host + '","path":' + quote(request?.path ?? '')
  text += ',"protocol":"HTTP/' + end.version + '"'
  const agent = request?.fields.get('user-agent')
  if (agent !== undefined)
    text += ',"userAgent":' + quote(agent.length > longestAgent ? agent.slice(0, longestAgent) : agent)
  return text + ',"status":' + status + resultOf(end, cause) + ',"msg":"request"}\n'
}

/** Clients choose it; no browser has a longer one. */
const longestAgent = 256

function connectionLine(start: string, end: FlowEnd, cause: string | undefined): string {
  return originOf(start, end.flow) + ',"port":' + end.flow.clientPort + resultOf(end, cause) + ',"msg":"connection"}\n'
}

function originOf(start: string, flow: FlowFacts): string {
  return start + ',"id":"' + flow.id + '"' + wayOf(flow) + ',"client":"' + flow.clientIp + '"'
}

interface Way extends Pick<FlowFacts, 'listenerName' | 'routeName' | 'upstreamName'> {
  readonly address: string | undefined
  readonly text: string
}

/** The way of the last record: consecutive flows mostly take the same one. */
let last: Way = { listenerName: '', routeName: undefined, upstreamName: undefined, address: undefined, text: '' }

function wayOf({ listenerName, routeName, upstreamName, backend }: FlowFacts): string {
  const address = backend?.address
  const isSame = address === last.address && routeName === last.routeName && upstreamName === last.upstreamName
  if (isSame && listenerName === last.listenerName) return last.text
  let text = ',"listener":"' + listenerName + '"'
  if (routeName !== undefined) text += ',"route":"' + routeName + '"'
  if (upstreamName !== undefined) text += ',"upstream":"' + upstreamName + '"'
  if (address !== undefined) text += ',"backend":"' + address + '"'
  last = { listenerName, routeName, upstreamName, address, text }
  return text
}

function resultOf({ flow, bytesIn, bytesOut, phases, attempts }: FlowEnd, cause: string | undefined): string {
  let text = ',"outcome":' + quote(flow.outcome)
  if (attempts > 1) text += ',"attempts":' + attempts
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

/** Decimal fractions of a thousandth each: `.001` for 1, empty for 0. */
const fractions: readonly string[] = Array.from({ length: 1000 }, (_, i) =>
  i === 0 ? '' : `.${String(i).padStart(3, '0').replace(/0+$/, '')}`,
)

/** A non-negative number, rounded to a thousandth. V8 takes 2.6 times as long, 190 ns, to print a number with a fraction. */
export function thousandths(value: number): string {
  const whole = Math.round(value * 1000)
  return Math.floor(whole / 1000) + fractions[whole % 1000]!
}
