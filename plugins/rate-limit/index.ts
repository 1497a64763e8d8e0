import { type Client, definePlugin, type Request, reply } from 'postern/sdk'

/** Seconds; the counter keeps no window longer than 2³¹ milliseconds. */
const longest = 24 * 86_400

export default definePlugin({
  name: 'rate-limit',
  description: 'Limits the requests of each client, consumer or header value per time window.',
  options: {
    type: 'object',
    additionalProperties: false,
    required: ['points'],
    properties: {
      points: {
        type: 'integer',
        minimum: 1,
        maximum: 1_000_000_000,
        description: 'Requests per window, if each costs 1.',
      },
      duration: {
        type: 'string',
        pattern: '^[1-9][0-9]{0,5}[smhd]$',
        default: '1m',
        description:
          'Length of the window, up to `24d`: a whole number followed by s, m, h or d. It starts with the first request.',
      },
      key: {
        type: 'string',
        pattern: "^(client\\.ip|consumer|header:[!#$%&'*+.^_`|~0-9A-Za-z-]+)$",
        default: 'client.ip',
        description:
          'What is limited: `client.ip`, `consumer` or `header:<name>`. Requests without that consumer or header count for their address.',
      },
      cost: { type: 'integer', minimum: 1, default: 1, description: 'Points that one request takes.' },
    },
  },
  reads({ key, points, cost, duration }) {
    if (seconds(duration) > longest) throw new Error(`"duration" ${duration} is too long; the maximum is 24d`)
    if (cost > points) throw new Error(`"cost" ${cost} is more than "points" ${points}; every request would be refused`)
    if (key === 'client.ip') return ['client.ip']
    return ['client.ip', key === 'consumer' ? key : `header:${headerOf(key)}`]
  },
  writes: ['response.header:ratelimit', 'response.header:ratelimit-policy'],
  needs: ['counter', 'digest'],
  async onRequest({ request, response, client, options, counter, digest }) {
    const { points, cost } = options
    const key = keyOf(options.key, request, client)
    // The counter takes keys of up to 512 characters; a header may be longer.
    const bounded = key.length > 256 ? await digest.sha256(key) : key
    const budget = await counter.take(bounded, { points, duration: seconds(options.duration), cost })
    response.setHeader('ratelimit', `"default";r=${budget.remaining};t=${budget.reset}`)
    response.setHeader('ratelimit-policy', policy(options))
    if (budget.allowed) return
    const detail = `try again in ${budget.reset} s`
    return reply(429, { title: 'rate limited', detail }, { 'retry-after': `${budget.reset}` })
  },
})

/** Key of the counter. The prefix separates a header with the value `192.0.2.7` from the client at that address. */
function keyOf(key: string, request: Request, client: Client): string {
  const named = key === 'client.ip' ? undefined : key === 'consumer' ? request.consumer : request.header(headerOf(key))
  return named === undefined ? `client.ip ${client.ip}` : `${key} ${named}`
}

function headerOf(key: string): string {
  return key.slice('header:'.length)
}

/** Field value of draft-ietf-httpapi-ratelimit-headers-10. */
function policy({ points, duration }: { readonly points: number; readonly duration: string }): string {
  return `"default";q=${points};w=${seconds(duration)}`
}

function seconds(duration: string): number {
  const units = { s: 1, m: 60, h: 3_600, d: 86_400 }
  return Number(duration.slice(0, -1)) * units[duration.at(-1) as keyof typeof units]
}
