import { definePlugin, reply } from 'postern/sdk'

/** Tries to reach a server that is not listed, by every spelling of its address. */
export default definePlugin({
  name: 'reach',
  options: {
    type: 'object',
    additionalProperties: false,
    properties: { port: { type: 'integer', default: 1, description: 'Of the server, on 127.0.0.1.' } },
  },
  needs: ['fetch'],
  async onRequest({ options, fetch }) {
    const { port } = options
    const hosts = [
      '127.0.0.1',
      '2130706433',
      '0x7f000001',
      '0177.0.0.1',
      '127.1',
      '127.0.1',
      '[::ffff:127.0.0.1]',
      '[::1]',
    ]
    hosts.push(
      'localhost',
      'localhost.',
      '0.0.0.0',
      '0',
      '127.0.0.1.',
      'LOCALHOST',
      '①②⑦.0.0.1',
      'listed.test@127.0.0.1',
    )
    const urls = hosts.map((host) => `http://${host}:${port}/`)
    urls.push(
      `http://listed.test:${port}@127.0.0.1:${port}/`,
      `http://127.0.0.1:${port}\\@listed.test/`,
      `http:/\\127.0.0.1:${port}`,
      `//127.0.0.1:${port}/`,
      'file:///etc/passwd',
      'data:text/plain,x',
      'blob:null/x',
      `ftp://127.0.0.1:${port}/`,
      `ws://127.0.0.1:${port}/`,
      // Listed, but its name has an address that is not public.
      `http://localhost:${port + 1}/`,
    )
    const requests: { url: string; method?: string; headers?: Record<string, string> }[] = urls.map((url) => ({ url }))
    for (const headers of [
      { host: 'x' },
      { 'transfer-encoding': 'chunked' },
      { 'content-length': '9' },
      { 'x-a': 'a\r\nb: c' },
    ]) {
      requests.push({ url: `http://127.0.0.1:${port + 2}/`, headers })
    }
    for (const method of ['CONNECT', 'TRACE', 'GET / HTTP/1.1\r\nx: y']) {
      requests.push({ url: `http://127.0.0.1:${port + 2}/`, method })
    }
    const reached: string[] = []
    const outcomes = await Promise.all(
      requests.map(({ url, ...request }) =>
        fetch(url, request).then(
          ({ status }) => reached.push(`${url} ${JSON.stringify(request)}: ${status}`),
          ({ name }: Error) => name,
        ),
      ),
    )
    return reply(200, {
      reached,
      tried: requests.length,
      errors: outcomes.filter((name) => name === 'GrantError').length,
    })
  },
})
