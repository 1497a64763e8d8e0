import { type Client, definePlugin, type ReadScope, type Request } from 'postern/sdk'

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const name = { type: 'string', pattern: `^${token}$` } as const

export default definePlugin({
  name: 'header-route',
  description: 'Sends requests to another upstream by a header, a cookie or a share of the traffic.',
  options: {
    type: 'object',
    additionalProperties: false,
    required: ['rules'],
    properties: {
      rules: {
        type: 'array',
        minItems: 1,
        description: 'Tried in order; the first match decides. Without a match the request keeps its upstream.',
        items: {
          type: 'object',
          additionalProperties: false,
          required: ['upstream'],
          properties: {
            header: { ...name, description: 'Request header that must be present.' },
            cookie: { ...name, description: 'Cookie that must be present.' },
            equals: {
              type: 'string',
              description: 'Exact value of the header or cookie. Default: any value.',
            },
            percent: {
              type: 'number',
              minimum: 0,
              maximum: 100,
              default: 100,
              description: 'Percentage of the matching requests, 0 to 100; the others try the next rule.',
            },
            upstream: { type: 'string', format: 'upstream', description: 'Upstream that receives the request.' },
          },
        },
      },
      by: {
        type: 'string',
        pattern: `^(client\\.ip|(header|cookie):${token})$`,
        description:
          'What keeps a client on the same side of `percent`: `client.ip`, `header:<name>` or `cookie:<name>`. Default: random.',
      },
    },
  },
  reads({ rules, by }) {
    const scopes: ReadScope[] = []
    for (const [index, { header, cookie, equals }] of rules.entries()) {
      const problem = `rules[${index}]: give "header" or "cookie"`
      if (header !== undefined && cookie !== undefined) throw new Error(`${problem}, not both`)
      if (header === undefined && cookie === undefined && equals !== undefined)
        throw new Error(`${problem} to "equals"`)
      if (header !== undefined) scopes.push(`header:${header}`)
      if (cookie !== undefined) scopes.push(`cookie:${cookie}`)
    }
    // The address also stands in for a header or cookie that a request does not carry.
    if (by !== undefined) scopes.push('client.ip')
    if (by !== undefined && by !== 'client.ip') scopes.push(by as ReadScope)
    return scopes
  },
  writes: ['upstream'],
  onRequest({ request, client, options }) {
    const rule = options.rules.find(
      (rule) => matches(rule, request) && position(options.by, rule.upstream, request, client) < rule.percent,
    )
    if (rule !== undefined) request.useUpstream(rule.upstream)
  },
})

interface Condition {
  readonly header?: string | undefined
  readonly cookie?: string | undefined
  readonly equals?: string | undefined
}

function matches({ header, cookie, equals }: Condition, request: Request): boolean {
  if (header === undefined && cookie === undefined) return true
  const value = header === undefined ? request.cookie(cookie ?? '') : request.header(header)
  return value !== undefined && (equals === undefined || value === equals)
}

/** Position of a request between 0 and 100: below `percent` it is moved. A larger share keeps the requests of a smaller. */
function position(by: string | undefined, upstream: string, request: Request, client: Client): number {
  if (by === undefined) return Math.random() * 100
  const colon = by.indexOf(':')
  const named = by.slice(colon + 1)
  const value = colon === -1 ? undefined : by.startsWith('header:') ? request.header(named) : request.cookie(named)
  // Hashed with the upstream, so that the requests that one rule leaves spread evenly over the next rule.
  return (hash(`${upstream} ${value ?? client.ip}`) / 2 ** 32) * 100
}

/** FNV-1a, then the last step of MurmurHash3: addresses that differ in one digit must not get neighbouring positions. */
function hash(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
