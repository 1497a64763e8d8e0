import type { HookName } from '../../sdk/points.ts'
import type { FlowFacts } from '../hooks/scopes.ts'
import type { ClientCertificate, TlsFacts } from '../net/peer.ts'
import type { LineStream } from './log.ts'
import type { HookTime, Phases } from './phases.ts'
import type { FlowEnd } from './tap.ts'

// Concatenated by hand: these lines have a fixed form, there is one for each request, and a logger took a sixth of the CPU
// time of the request for it. Names in the configuration, addresses, methods and hosts have been checked before and need no
// escaping; an outcome may contain a plugin's name, which its author chose. Each `+` costs an object and, when the line is
// written, a step of its own: so constants are whole, and parts that consecutive records share are kept.

/** The record that is made now holds nothing but ASCII so far. Only text that passes `quote` can hold more. */
let isAscii = true

/**
 * Writes the access record of a request or of an L4 connection.
 *
 * @param start beginning of the object: level and time
 * @param cause of its outcome, secrets removed
 */
export function writeAccessLine(to: LineStream, start: string, end: FlowEnd, cause: string | undefined): void {
  isAscii = true
  const line = end.flow.layer === 'L7' ? requestLine(start, end, cause) : connectionLine(start, end, cause)
  to.write(line, isAscii)
}

function requestLine(start: string, end: FlowEnd, cause: string | undefined): string {
  const { request, response, outcome } = end.flow
  const status = outcome === 'DC' ? 0 : (response?.status ?? 0)
  let text = originOf(start, end.flow)
  if (request?.consumer !== undefined) text += '","consumer":' + quote(request.consumer) + ',"method":"'
  else text += '","method":"'
  // The path without the query: queries contain tokens and personal data.
  text += request?.method + '","host":"' + request?.host + '","path":' + quote(request?.path ?? '')
  text += protocolOf(end.version, request?.fields.get('user-agent'))
  const { grpcStatus } = end.flow
  if (grpcStatus === undefined) return text + status + resultOf(end, cause) + ',"msg":"request"}\n'
  return text + status + ',"grpcStatus":' + grpcStatus + resultOf(end, cause) + ',"msg":"request"}\n'
}

interface Protocol {
  readonly version: string | undefined
  readonly agent: string | undefined
  readonly text: string
  readonly isAscii: boolean
}

/** The one of the last record: a client sends the same with each request. */
let lastProtocol: Protocol = { version: undefined, agent: '', text: '', isAscii: true }

/** Clients choose it; no browser has a longer one. */
const longestAgent = 256

function protocolOf(version: string | undefined, agent: string | undefined): string {
  if (agent !== lastProtocol.agent || version !== lastProtocol.version) {
    const before = isAscii
    isAscii = true
    let text = ',"protocol":"HTTP/' + version + '"'
    if (agent !== undefined)
      text += ',"userAgent":' + quote(agent.length > longestAgent ? agent.slice(0, longestAgent) : agent)
    lastProtocol = { version, agent, text: inOnePiece(text + ',"status":'), isAscii }
    isAscii = before
  }
  isAscii &&= lastProtocol.isAscii
  return lastProtocol.text
}

function connectionLine(start: string, end: FlowEnd, cause: string | undefined): string {
  const port = '","port":' + end.flow.clientPort
  const { datagrams } = end
  if (datagrams === undefined) return originOf(start, end.flow) + port + resultOf(end, cause) + ',"msg":"connection"}\n'
  const count = ',"datagramsIn":' + datagrams.in + ',"datagramsOut":' + datagrams.out
  return originOf(start, end.flow) + port + count + resultOf(end, cause) + ',"msg":"session"}\n'
}

function originOf(start: string, flow: FlowFacts): string {
  return start + ',"id":"' + flow.id + wayOf(flow) + flow.clientIp
}

interface Way extends Pick<FlowFacts, 'listenerName' | 'routeName' | 'upstreamName'> {
  readonly address: string | undefined
  readonly text: string
}

/** The way of the last record: consecutive flows mostly take the same one. */
let lastWay: Way = { listenerName: '', routeName: undefined, upstreamName: undefined, address: undefined, text: '' }

function wayOf({ listenerName, routeName, upstreamName, backend }: FlowFacts): string {
  const address = backend?.address
  const isSame = address === lastWay.address && routeName === lastWay.routeName && upstreamName === lastWay.upstreamName
  if (isSame && listenerName === lastWay.listenerName) return lastWay.text
  let text = '","listener":"' + listenerName
  if (routeName !== undefined) text += '","route":"' + routeName
  if (upstreamName !== undefined) text += '","upstream":"' + upstreamName
  if (address !== undefined) text += '","backend":"' + address
  lastWay = { listenerName, routeName, upstreamName, address, text: inOnePiece(text + '","client":"') }
  return lastWay.text
}

/** A text that is kept: V8 puts the pieces of a sum together when it has to look into it, and keeps it so. */
function inOnePiece(text: string): string {
  text.charCodeAt(0)
  return text
}

function resultOf({ flow, bytesIn, bytesOut, phases, attempts }: FlowEnd, cause: string | undefined): string {
  let text = flow.outcome === '' ? ',"outcome":""' : ',"outcome":' + quote(flow.outcome)
  if (flow.peerIp !== flow.clientIp) text += ',"peer":"' + flow.peerIp + '"'
  if (flow.tls !== undefined) text += tlsOf(flow.tls)
  if (attempts > 1) text += ',"attempts":' + attempts
  if (cause !== undefined) text += ',"cause":' + quote(cause)
  text += ',"bytesIn":' + bytesIn + ',"bytesOut":' + bytesOut + ',"ms":' + thousandths(phases.total)
  return text + phasesOf(phases) + (phases.hooks === undefined ? '}' : hooksOf(phases.hooks))
}

function tlsOf({ serverName, version, cipher, alpn, resumed, client }: TlsFacts): string {
  // Passed on to the backend: no more is known.
  if (version === undefined)
    return serverName === undefined ? ',"tls":{}' : ',"tls":{"serverName":' + quote(serverName) + '}'
  let text = ',"tls":{"version":"' + version + '","cipher":"' + cipher
  if (serverName !== undefined) text += '","serverName":' + quote(serverName)
  else text += '"'
  if (alpn !== undefined) text += ',"alpn":' + quote(alpn)
  if (resumed) text += ',"resumed":true'
  return text + (client === undefined ? '}' : ',"client":' + clientOf(client) + '}')
}

interface Shown {
  readonly text: string
  readonly isAscii: boolean
}

/** A client sends many requests with the same certificate. */
const certificates = new WeakMap<ClientCertificate, Shown>()

function clientOf(certificate: ClientCertificate): string {
  let shown = certificates.get(certificate)
  if (shown === undefined) {
    const text = JSON.stringify(clientRecord(certificate))
    shown = { text, isAscii: !beyondAscii.test(text) }
    certificates.set(certificate, shown)
  }
  isAscii &&= shown.isAscii
  return shown.text
}

/** Clients choose what is in a certificate that is not verified. */
const longestName = 256
const mostNames = 10

function clientRecord({ subject, issuer, serial, san, fingerprint, verified, problem }: ClientCertificate): object {
  const names = san.length === 0 ? undefined : san.slice(0, mostNames).map(short)
  return {
    subject: short(subject),
    issuer: short(issuer),
    serial: short(serial),
    san: names,
    fingerprint,
    verified,
    problem,
  }
}

function short(text: string): string {
  return text.length > longestName ? text.slice(0, longestName) : text
}

/** Without the end of the object. */
function phasesOf(phases: Phases): string {
  const { route, policies, queue, connect, head, body } = phases
  let text = ',"phases":{'
  let isFirst = true
  if (route >= 0) {
    text += '"route":' + thousandths(route)
    isFirst = false
  }
  if (policies >= 0) {
    text += (isFirst ? '"policies":' : ',"policies":') + thousandths(policies)
    isFirst = false
  }
  if (queue >= 0) {
    text += (isFirst ? '"queue":' : ',"queue":') + thousandths(queue)
    isFirst = false
  }
  if (connect >= 0) {
    text += (isFirst ? '"connect":' : ',"connect":') + thousandths(connect)
    isFirst = false
  }
  if (head >= 0) {
    text += (isFirst ? '"head":' : ',"head":') + thousandths(head)
    isFirst = false
  }
  if (body >= 0) text += (isFirst ? '"body":' : ',"body":') + thousandths(body)
  return text
}

function hooksOf(hooks: readonly HookTime[]): string {
  let text = '},"hooks":'
  let separator = '{'
  for (const { policy, hook, ms } of hooks) {
    text += separator + labelOf(policy, hook) + thousandths(ms)
    separator = ','
  }
  return text + '}'
}

/** By policy and hook. */
const labels = new Map<string, { [hook in HookName]?: Shown }>()
/** Reloads may name policies as they like. */
const mostLabels = 1_000

function labelOf(policy: string, hook: HookName): string {
  const label = labels.get(policy)?.[hook] ?? newLabel(policy, hook)
  isAscii &&= label.isAscii
  return label.text
}

function newLabel(policy: string, hook: HookName): Shown {
  if (labels.size >= mostLabels) labels.clear()
  const text = JSON.stringify(`${policy}.${hook}`) + ':'
  const label = { text: inOnePiece(text), isAscii: !beyondAscii.test(text) }
  labels.set(policy, { ...labels.get(policy), [hook]: label })
  return label
}

/** Anything that is not printable ASCII, and what JSON escapes. */
const special = /[^ !#-[\]-~]/
const beyondAscii = /[^\0-\x7f]/

/** A string as JSON. */
export function quote(text: string): string {
  if (!special.test(text)) return '"' + text + '"'
  const json = JSON.stringify(text)
  isAscii &&= !beyondAscii.test(json)
  return json
}

/** Those below 4 as text, by their thousandths: `0.001` for 1, `0` for 0. */
const small: readonly string[] = Array.from({ length: 4_000 }, (_, i) => `${i / 1000}`)
/** Decimal fractions: `.001` for 1, empty for 0. */
const fractions: readonly string[] = Array.from({ length: 1000 }, (_, i) => `${i / 1000}`.slice(1))

/** A non-negative number, rounded to a thousandth. V8 takes 2.6 times as long, 190 ns, to print a number with a fraction. */
export function thousandths(value: number): string {
  const whole = Math.round(value * 1000)
  return small[whole] ?? Math.floor(whole / 1000) + fractions[whole % 1000]!
}
