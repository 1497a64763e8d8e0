import { BlockList, isIP, isIPv6 } from 'node:net'
import { payloadProblem } from '../config/payload.ts'
import { parseDuration, parseSize } from '../config/units.ts'
import { originProblem } from '../grants/origin.ts'
import { isFieldText } from '../http/field-problem.ts'
import { CODEC, HOP_BY_HOP, isTreated } from '../http/header-names.ts'
import { registeredMethods } from '../http/methods.ts'
import { unixPath, unixPathProblem } from '../net/unix-address.ts'
import { parseAuthority } from '../route/authority.ts'
import { captureProblem } from '../route/captures.ts'
import { pathProblem, plainPathEnd } from '../route/path.ts'
import { parseTemplate, Template } from '../shape/template.ts'

/** A text format that the schemas refer to with `format`. */
export interface Format {
  /** What a value must be, for messages: `a duration such as "10s"`. */
  readonly expected: string
  /** What is wrong with a text; `undefined` when it is valid. */
  problem(text: string): string | undefined
}

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const label = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/i

/** The formats that the options schema of a plugin may use, besides `upstream`. */
export const pluginFormats: Readonly<Record<string, Format>> = {
  // JSON Schema has a "duration" of its own, as ISO 8601 writes it.
  'postern-duration': { expected: 'a duration such as "10s"', problem: (text) => textOf(parseDuration(text)) },
  size: { expected: 'a size such as "64MB"', problem: (text) => textOf(parseSize(text)) },
  cidr: { expected: 'an address range such as "10.0.0.0/8"', problem: cidrProblem },
  token: {
    expected: 'a name such as "x-beta"',
    problem: (text) => (token.test(text) ? undefined : `${quote(text)} is not a valid header or cookie name`),
  },
}

/** Every `format` of `sdk/schemas`. */
export const formats: Readonly<Record<string, Format>> = {
  ...pluginFormats,
  'peer-range': {
    expected: 'an address range such as "10.0.0.0/8", or "unix"',
    problem: (text) => (text === 'unix' ? undefined : cidrProblem(text)),
  },
  'bind-address': {
    expected: 'an IP address to bind, such as "127.0.0.1"',
    problem(text) {
      const path = unixPath(text)
      if (path !== undefined) return unixPathProblem(path)
      if (isIP(text) !== 0) return undefined
      // A name could stand for several addresses, and for others tomorrow.
      if (text.toLowerCase() === 'localhost') return '"localhost" is a name; write "127.0.0.1", or "::1" for IPv6'
      return `${quote(text)} is not an address to bind; use an IP address such as "127.0.0.1", or "::" for all addresses`
    },
  },
  'source-address': {
    expected: 'an IP address of this host, such as "10.0.0.5"',
    problem: (text) =>
      isIP(text) !== 0 && !/^(?:::|0\.0\.0\.0)$/.test(text)
        ? undefined
        : `${quote(text)} is not an IP address of a host`,
  },
  'host-match': { expected: 'a host such as "api.example.com" or "*.example.com"', problem: hostMatchProblem },
  'server-name-match': {
    expected: 'a server name such as "db.example.com" or "*.example.com"',
    problem: serverNameProblem,
  },
  'path-match': { expected: 'a path such as "/orders" or "/orders/*"', problem: pathMatchProblem },
  method: {
    expected: 'a method such as "GET"',
    problem(text) {
      if (!token.test(text)) return `${quote(text)} is not a method`
      const capital = text.toUpperCase()
      if (capital === 'CONNECT') return 'CONNECT is not possible: the gateway neither serves nor sends it'
      // Another token in lower case is a method of its own.
      if (text === capital || !registeredMethods.has(capital)) return undefined
      return `methods are case-sensitive; write ${quote(capital)}`
    },
  },
  'retry-cause': {
    expected: '"connect", "reset", "timeout", a status such as 503, or one of gRPC such as "grpc:14"',
    problem(text) {
      if (/^(connect|reset|timeout|grpc:(1[0-6]|[1-9]))$/.test(text)) return undefined
      if (/^\d+$/.test(text)) return `statuses are numbers; write ${text} without quotes`
      return `${quote(text)} is not "connect", "reset", "timeout", or one of gRPC such as "grpc:14"`
    },
  },
  'header-match-name': {
    expected: 'a header name such as "x-beta"',
    problem(text) {
      if (!token.test(text)) return pluginFormats.token!.problem(text)
      const name = text.toLowerCase()
      if (!isTreated(name, HOP_BY_HOP) || name === 'upgrade' || name === 'te') return undefined
      return `never matches, because ${quote(text)} is for one connection only and removed before routes see it`
    },
  },
  'header-match': {
    expected: 'a header value',
    problem(text) {
      if (/^[\t ]|[\t ]$/.test(text))
        return 'never matches: the value of a header does not begin or end with whitespace'
      if (!text.isWellFormed() || !isFieldText(text))
        return 'never matches: the value of a header has no control characters'
      return undefined
    },
  },
  'cookie-match': {
    expected: 'the value of a cookie',
    problem(text) {
      if (text !== text.trim() || /[;\x00-\x1f\x7f]/.test(text) || !text.isWellFormed())
        return 'never matches: the value of a cookie has no ";", no control characters, and no whitespace around it'
      return /^".*"$/.test(text) ? 'never matches: write the value of a cookie without the quotes around it' : undefined
    },
  },
  redirect: { expected: 'a location such as "https://{host}{path}{query}"', problem: redirectProblem },
  'request-path': {
    expected: 'a path such as "/healthz"',
    problem: (text) =>
      /^\/[\x21-\x7e]*$/.test(text) && !text.includes('#')
        ? undefined
        : `${quote(text)} is not a request path; it must begin with "/" and contain no spaces and no "#"`,
  },
  authority: {
    expected: 'a host such as "shop.example.com"',
    problem(text) {
      const authority = parseAuthority(text)
      return 'problem' in authority ? `${quote(text)} is not a host: ${authority.problem}` : undefined
    },
  },
  payload: { expected: 'text, or bytes such as "hex:00ff"', problem: payloadProblem },
  'probe-header': { expected: 'a header name', problem: probeHeaderProblem },
  'header-value': {
    expected: 'the value of a header',
    problem: (text) => (isFieldText(text) ? undefined : 'has a character that a header cannot carry'),
  },
  'backend-address': { expected: 'an address such as "10.0.0.11:8080"', problem: addressProblem },
  'server-name': {
    expected: 'a host name such as "app.internal"',
    problem: (text) =>
      isIP(text) !== 0 || (isHostName(text) && !/^[\d.]+$/.test(text))
        ? undefined
        : `${quote(text)} is not a host name or an IP address; write it without a port`,
  },
  'public-name': { expected: 'a host name such as "www.example.com"', problem: publicNameProblem },
  'email-address': {
    expected: 'an address such as "admin@example.com"',
    problem: (text) => (/^[^\s@]+@[^\s@]+$/.test(text) ? undefined : `${quote(text)} is not an email address`),
  },
  'https-url': {
    expected: 'a URL such as "https://ca.example.com/directory"',
    problem: (text) =>
      /^https:\/\/[^\s#]+$/i.test(text) && URL.canParse(text)
        ? undefined
        : `${quote(text)} is not a URL that begins with https://`,
  },
  origin: { expected: 'an origin such as "https://id.example.com"', problem: originProblem },
  'plugin-source': {
    expected: 'a file such as "./plugins/jwt/index.ts" or the name of a package',
    problem: (text) =>
      isFileSource(text) || /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/.test(text)
        ? undefined
        : `${quote(text)} is not a file ("./plugins/jwt/index.ts") and not a package name`,
  },
  name: {
    expected: 'a name',
    problem: (text) =>
      /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(text)
        ? undefined
        : `${quote(text)} is not a name; use up to 100 letters, digits, dots, dashes and underscores, and begin with a letter or digit`,
  },
}

function publicNameProblem(text: string): string | undefined {
  if (text.startsWith('*.'))
    return `${quote(text)} has a wildcard, which only challenges by DNS can prove; list the names`
  if (isIP(text) !== 0) return `${quote(text)} is an IP address; certificates by ACME are for host names`
  if (isHostName(text) && !text.includes('_')) return undefined
  const isForeign = /[^\x00-\x7f]/.test(text)
  return `${quote(text)} is not a host name${isForeign ? '; write it as it is in DNS ("xn--…")' : ''}`
}

/** True for a plugin `source` that is a file, not a package. */
export function isFileSource(source: string): boolean {
  return /^\.{0,2}\//.test(source) || /\.[cm]?[jt]s$/.test(source)
}

/** Splits `host:port` or `[v6]:port`, brackets removed; a returned text says what is wrong with it. */
export function parseAddress(text: string): { host: string; port: number } | string {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):([^:]*)$/.exec(text)
  if (match === null) {
    if (isIPv6(text)) return `${quote(text)} has no port; write "[${text}]:8080"`
    const hint = text.includes('//') ? 'without a scheme and path' : 'with a port'
    return `${quote(text)} is not an address; write it ${hint}: "10.0.0.11:8080" or "[fd00::1]:8080"`
  }
  // Only the whole text is quoted: a part of a secret would not be recognised as one.
  const port = /^[1-9]\d{0,4}$/.test(match[3]!) ? Number(match[3]) : 0
  if (port < 1 || port > 65_535) return `${quote(text)} has no valid port; use a number from 1 to 65535`
  if (match[1] !== undefined) {
    return isIPv6(match[1]) ? { host: match[1], port } : `${quote(text)} has no valid IPv6 address in its brackets`
  }
  const host = match[2]!
  const numeric = /^[\d.]+$/.test(host)
  if (numeric ? isIP(host) === 0 : !isHostName(host)) return `${quote(text)} has no valid host name or IP address`
  return { host, port }
}

function addressProblem(text: string): string | undefined {
  const path = unixPath(text)
  if (path !== undefined) return unixPathProblem(path)
  const address = parseAddress(text)
  return typeof address === 'string' ? address : undefined
}

function isHostName(text: string): boolean {
  return text.length <= 253 && text.split('.').every((part) => label.test(part))
}

/** The gateway frames its probes itself, and closes their connections. */
function probeHeaderProblem(text: string): string | undefined {
  if (!token.test(text)) return `${quote(text)} is not a valid header name`
  const name = text.toLowerCase()
  if (name === 'host') return 'write the host as "host" of "health"'
  if (isTreated(name, CODEC | HOP_BY_HOP)) return `the gateway itself sets ${quote(text)}; remove it`
  return undefined
}

function hostMatchProblem(text: string): string | undefined {
  if (text.includes('/')) return `${quote(text)} is not a host; write it without a scheme or path`
  const name = text.startsWith('*.') ? text.slice(2) : text
  if (name.includes('*')) return 'a wildcard is allowed only as the whole leftmost label, as in "*.example.com"'
  // Checked as in requests: a route must not ask for a host that no request can have.
  const authority = parseAuthority(name)
  if ('problem' in authority) return `${quote(text)} is not a host: ${authority.problem}`
  if (authority.port !== undefined || text.endsWith(':'))
    return `${quote(text)} has a port; a route matches only the host name`
  return text.endsWith('.') ? `remove the dot at the end of ${quote(text)}` : undefined
}

function serverNameProblem(text: string): string | undefined {
  const problem = hostMatchProblem(text)
  if (problem !== undefined) return problem
  // RFC 6066 §3: an address is no server name, and clients that connect to one send none.
  const isAddress = isIP(text) !== 0 || text.startsWith('[')
  return isAddress
    ? `${quote(text)} is an address; clients send only names, so match it with "source" or leave it out`
    : undefined
}

function pathMatchProblem(text: string): string | undefined {
  if (!text.startsWith('/')) return `${quote(text)} is not a path; a path begins with "/"`
  const plain = text.endsWith('/*') ? text.slice(0, -1) : text
  const star = plain.indexOf('*')
  if (star !== -1) {
    return `${quote(text)} has a "*" in the wrong position; it is allowed only at the end, after a "/", as in "/orders/*"`
  }
  if (!text.isWellFormed()) return `${quote(text)} has half of a character`
  const capture = captureProblem(text)
  if (capture !== undefined) return capture
  // Letters beyond ASCII are compared with the decoded path of a request.
  const encoded = plain.replace(/[^\x00-\x7f]+/g, encodeURIComponent)
  const end = plainPathEnd(encoded)
  if (end === encoded.length) return undefined
  if (/[?#]/.test(plain)) return `${quote(text)} has a query or fragment; match query parameters with "query"`
  const malformed = pathProblem(encoded)
  if (malformed !== undefined)
    return `never matches, because requests with this path are rejected: ${malformed.problem}`
  return 'never matches, because requests with this path are rejected: servers read it as different paths; write it decoded, with single slashes, and without ";", "?", "#" and dot segments'
}

function redirectProblem(text: string): string | undefined {
  if (!/^[\x21-\x7e]+$/.test(text)) return 'must be ASCII without spaces; percent-encode all other characters'
  const template = parseTemplate(text, 'url')
  if (!(template instanceof Template)) return `${quote(text)} ${template.problem}`
  const { sample } = template
  const whole = sample.startsWith('/') ? URL.canParse(sample, 'https://a.example') : URL.canParse(sample)
  return whole ? undefined : `${quote(text)} is not a location; use a URL, or a path that begins with "/"`
}

function cidrProblem(text: string): string | undefined {
  const slash = text.indexOf('/')
  const address = slash === -1 ? text : text.slice(0, slash)
  const family = isIP(address)
  if (family === 0 || address.includes('%')) return `${quote(text)} is not an address range such as "10.0.0.0/8"`
  if (slash === -1) return undefined
  const length = text.slice(slash + 1)
  const bits = family === 4 ? 32 : 128
  if (!/^(0|[1-9]\d{0,2})$/.test(length) || Number(length) > bits)
    return `the number after the "/" must be from 0 to ${bits}`
  // Throws if the range cannot be matched.
  new BlockList().addSubnet(address, Number(length), family === 4 ? 'ipv4' : 'ipv6')
  return undefined
}

function textOf(result: number | string): string | undefined {
  return typeof result === 'string' ? result : undefined
}

/** Quotes the whole text or none of it: the redactor would not recognise part of a secret. */
function quote(text: string): string {
  return text.length > 80 ? 'this text' : JSON.stringify(text)
}
