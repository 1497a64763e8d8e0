import { STATUS_CODES } from 'node:http'
import { type OutcomeCode, outcomes } from '../../core/errors.ts'

/** A head: its lines, each ended by CRLF, and the empty line. */
export function head(...lines: string[]): string {
  return `${lines.join('\r\n')}\r\n\r\n`
}

/** The lines that the gateway adds to a request, whose client asked for this host. */
export function own(host: string, via = '1.1 {gateway}'): string[] {
  return ['x-request-id: {id}', ...forwarding(host), `via: ${via}`]
}

/** `own` for a client that named no host. */
export function hostless(via: string): string[] {
  return own('', via).flatMap((line) => {
    return line.startsWith('x-forwarded-host') ? [] : [line.replace('host=;', '')]
  })
}

/** The same lines, with the Host that the gateway adds, since the client sent none. */
export function withHost(host: string, [id = '', ...others]: string[]): string[] {
  return [id, `host: ${host}`, ...others]
}

export function forwarding(host: string): string[] {
  return [
    'x-forwarded-for: 127.0.0.1',
    'x-forwarded-proto: http',
    `x-forwarded-host: ${host}`,
    'x-forwarded-port: {port}',
    'x-real-ip: 127.0.0.1',
    `forwarded: for=127.0.0.1;host=${host.includes(':') ? `"${host}"` : host};proto=http`,
  ]
}

/** What a backend sees of `GET path` for the host `a`, with these lines of the client between `host` and the gateway's. */
export function get(path: string, ...lines: string[]): string {
  return head(`GET ${path} HTTP/1.1`, 'Host: a', ...lines, ...own('a'))
}

/** The answer of a backend that has nothing to say, and what the client gets of it. */
export const empty: string = head('HTTP/1.1 200 OK', 'content-length: 0')
export const emptied: string = head('HTTP/1.1 200 OK', 'via: 1.1 {gateway}', 'content-length: 0', 'date: {date}')

/** What the client gets when a request is refused. */
export function refusal(
  code: OutcomeCode,
  options: { status?: number; close?: boolean; detail?: string; allow?: string } = {},
): string {
  const { title, proxyStatus, ...kind } = outcomes[code]
  const { status = kind.status, close = code === 'DPE', detail, allow } = options
  const body = JSON.stringify({ type: `urn:postern:outcome:${code}`, title, status, detail, request: '{id}' })
  const length = body.replace('{id}', '0'.repeat(36)).length
  return (
    head(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      'content-type: application/problem+json',
      `proxy-status: postern; error=${proxyStatus}`,
      ...(status === 503 ? ['retry-after: 5'] : []),
      ...(allow === undefined ? [] : [`allow: ${allow}`]),
      `content-length: ${length}`,
      'date: {date}',
      ...(close ? ['connection: close'] : []),
    ) + body
  )
}

/** What never became a request: the codec refuses it. */
export function malformed(status = 400): string {
  return refusal('DPE', { status })
}
