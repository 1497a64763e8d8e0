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
        description: 'The first rule that matches decides; when none does, the request stays on its way.',
        items: {
          type: 'object',
          additionalProperties: false,
          required: ['upstream'],
          properties: {
            header: { ...name, description: 'Request header that must be there.' },
            cookie: { ...name, description: 'Cookie that must be there.' },
            equals: {
              type: 'string',
              description: 'What the header or cookie must say. Without it any value will do.',
            },
            percent: {
              type: 'number',
              minimum: 0,
              maximum: 100,
              default: 100,
              description: 'Share of the requests that match so far; the others try the next rule.',
            },
            upstream: { type: 'string', format: 'upstream', description: 'Where the request goes.' },
          },
        },
      },
      by: {
        type: 'string',
        pattern: `^(client\\.ip|(header|cookie):${token})$`,
        description:
          'What keeps a client on one side of `percent`: `client.ip`, `header:<name>` or `cookie:<name>`. Without it, chance.',
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

/** Where a request stands between 0 and 100: below `percent` it is moved. A larger share keeps those it had. */
function position(by: string | undefined, upstream: string, request: Request, client: Client): number {
  if (by === undefined) return Math.random() * 100
  const colon = by.indexOf(':')
  const named = by.slice(colon + 1)
  const value = colon === -1 ? undefined : by.startsWith('header:') ? request.header(named) : request.cookie(named)
  // With the upstream in it, those that one rule leaves fall evenly on both sides of the next.
  return (hash(`${upstream} ${value ?? client.ip}`) / 2 ** 32) * 100
}

/** FNV-1a, then the last step of MurmurHash3: addresses that differ in one digit must not land side by side. */
function hash(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
