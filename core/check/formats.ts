import { BlockList, isIP, isIPv6 } from 'node:net'
import { didYouMean } from '../config/suggest.ts'
import { parseDuration, parseSize } from '../config/units.ts'
import { originProblem } from '../grants/origin.ts'
import { parseAuthority } from '../route/authority.ts'
import { scanPath } from '../route/path.ts'

/** A form of text that the schemas name with `format`. */
export interface Format {
  /** What a value must be, for messages: `a duration such as "10s"`. */
  readonly expected: string
  /** What is wrong with a text; `undefined` when it is fine. */
  problem(text: string): string | undefined
}

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const label = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/i

/** What the options schema of a plugin may name, besides `upstream`. */
export const pluginFormats: Readonly<Record<string, Format>> = {
  duration: { expected: 'a duration such as "10s"', problem: (text) => textOf(parseDuration(text)) },
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
  'bind-address': {
    expected: 'an IP address to bind, such as "127.0.0.1"',
    problem: (text) =>
      isIP(text) !== 0 || text === 'localhost'
        ? undefined
        : `${quote(text)} is not an address to bind; write an IP address such as "127.0.0.1", or "::" for all`,
  },
  'host-match': { expected: 'a host such as "api.example.com" or "*.example.com"', problem: hostMatchProblem },
  'path-match': { expected: 'a path such as "/orders" or "/orders/*"', problem: pathMatchProblem },
  method: {
    expected: 'a method such as "GET"',
    problem(text) {
      if (!token.test(text)) return `${quote(text)} is not a method`
      return text === text.toUpperCase() ? undefined : `methods are in upper case; write "${text.toUpperCase()}"`
    },
  },
  redirect: { expected: 'a location such as "https://{host}{path}{query}"', problem: redirectProblem },
  'request-path': {
    expected: 'a path such as "/healthz"',
    problem: (text) =>
      /^\/[\x21-\x7e]*$/.test(text) && !text.includes('#')
        ? undefined
        : `${quote(text)} is not a path to ask for; it begins with "/" and holds no spaces`,
  },
  'backend-address': { expected: 'an address such as "10.0.0.11:8080"', problem: addressProblem },
  origin: { expected: 'an origin such as "https://id.example.com"', problem: originProblem },
  'plugin-source': {
    expected: 'a file such as "./plugins/jwt/index.ts" or the name of a package',
    problem: (text) =>
      isFileSource(text) || /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/.test(text)
        ? undefined
        : `${quote(text)} is neither a file ("./plugins/jwt/index.ts") nor the name of a package`,
  },
  name: {
    expected: 'a name',
    problem: (text) =>
      /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(text)
        ? undefined
        : `${quote(text)} is not a name; use up to 100 letters, digits, dots, dashes and underscores, a letter or digit first`,
  },
}

/** A plugin's `source` that means a file, not a package. */
export function isFileSource(source: string): boolean {
  return /^\.{0,2}\//.test(source) || /\.[cm]?[jt]s$/.test(source)
}

/** `host:port` or `[v6]:port` in its two parts, brackets removed; a text says what is wrong with it. */
export function parseAddress(text: string): { host: string; port: number } | string {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):([^:]*)$/.exec(text)
  if (match === null) {
    if (isIPv6(text)) return `${quote(text)} has no port; write "[${text}]:8080"`
    const hint = text.includes('//') ? 'without a scheme or path' : 'with a port'
    return `${quote(text)} is not an address; write it ${hint}: "10.0.0.11:8080" or "[fd00::1]:8080"`
  }
  const port = /^[1-9]\d{0,4}$/.test(match[3]!) ? Number(match[3]) : 0
  if (port < 1 || port > 65_535) return `${quote(match[3]!)} is not a port; write a number from 1 to 65535`
  if (match[1] !== undefined) {
    return isIPv6(match[1]) ? { host: match[1], port } : `${quote(match[1])} is not an IPv6 address`
  }
  const host = match[2]!
  const numeric = /^[\d.]+$/.test(host)
  if (numeric ? isIP(host) === 0 : !isHostName(host)) return `${quote(host)} is not a host name or an IP address`
  return { host, port }
}

function addressProblem(text: string): string | undefined {
  const address = parseAddress(text)
  return typeof address === 'string' ? address : undefined
}

function isHostName(text: string): boolean {
  return text.length <= 253 && text.split('.').every((part) => label.test(part))
}

function hostMatchProblem(text: string): string | undefined {
  if (text.includes('/')) return `${quote(text)} is not a host; write it without a scheme or path`
  const name = text.startsWith('*.') ? text.slice(2) : text
  if (name.includes('*')) return 'a wildcard stands for whole labels at the left only: "*.example.com"'
  // The reader of requests judges, so that a route asks for nothing that no request can be.
  const authority = parseAuthority(name)
  if ('problem' in authority) return `${quote(text)} is not a host: ${authority.problem}`
  if (authority.port !== undefined) return `${quote(text)} carries a port; a route matches the host name only`
  return text.endsWith('.') ? `write it without the dot at the end: ${quote(text.slice(0, -1))}` : undefined
}

function pathMatchProblem(text: string): string | undefined {
  if (!text.startsWith('/')) return `${quote(text)} is not a path; it begins with "/"`
  const plain = text.endsWith('/*') ? text.slice(0, -1) : text
  const star = plain.indexOf('*')
  if (star !== -1) {
    const prefix = quote(`${plain.slice(0, plain.lastIndexOf('/', star))}/*`)
    return `"*" stands for the whole rest of a path, after a "/"; write ${prefix}`
  }
  const end = scanPath(plain, 0)
  if (typeof end !== 'number') return `never matches, since such requests are refused: ${end.problem}`
  return end === plain.length
    ? undefined
    : `${quote(text)} is more than a path; conditions on parameters go into "query"`
}

const placeholders = ['scheme', 'host', 'path', 'query']

function redirectProblem(text: string): string | undefined {
  if (!/^[\x21-\x7e]+$/.test(text)) return 'must be plain ASCII without spaces; percent-encode the rest'
  for (const [, name] of text.matchAll(/\{([^{}]*)\}?/g)) {
    if (!placeholders.includes(name!)) return `there is no {${name}}${didYouMean(name!, placeholders)}`
  }
  const sample = text
    .replaceAll('{scheme}', 'https')
    .replaceAll('{host}', 'a.example')
    .replaceAll('{path}', '/p')
    .replaceAll('{query}', '?q')
  if (/[{}]/.test(sample)) return `${quote(text)} has a brace that is not one of a pair`
  const whole = sample.startsWith('/') ? URL.canParse(sample, 'https://a.example') : URL.canParse(sample)
  return whole ? undefined : `${quote(text)} is not a location; write a URL, or a path that begins with "/"`
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
    return `after the "/" stands a number from 0 to ${bits}`
  // The range must be one that can be matched, too.
  new BlockList().addSubnet(address, Number(length), family === 4 ? 'ipv4' : 'ipv6')
  return undefined
}

function textOf(result: number | string): string | undefined {
  return typeof result === 'string' ? result : undefined
}

/** Whole or not at all: half a secret would not be known as one. */
function quote(text: string): string {
  return text.length > 80 ? 'this text' : JSON.stringify(text)
}
