import { once } from 'node:events'
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, LookupFunction } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { createFetch } from '../../core/grants/fetch.ts'
import { createFetcher } from '../../core/grants/fetcher.ts'
import { GrantError } from '../../core/grants/grant-error.ts'
import type { GrantCall } from '../../core/grants/operation.ts'
import { ABSENT } from '../../core/grants/operation.ts'
import { parseOrigin } from '../../core/grants/origin.ts'
import { createOutbound } from '../../core/grants/outbound.ts'
import { until } from '../helpers/until.ts'
import { grantCall, listed } from './call.ts'

const servers: Server[] = []

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

interface Asked {
  method?: string
  headers?: Record<string, string>
  body?: string
  timeout?: number
  limit?: number
  origins?: GrantCall['origins']
  signal?: AbortSignal
  lookup?: LookupFunction
}

interface Answer {
  status: number
  text: string
  bytes: string | undefined
  headers: Record<string, string>
}

async function fetch(url: string, asked: Asked = {}): Promise<Answer> {
  const { method = 'GET', headers = {}, body, timeout = 5_000, limit = 1_048_576, origins, signal, lookup } = asked
  const { send } = createFetch(createFetcher(createOutbound(lookup)))
  const args = [url, method, String(timeout), String(limit), body ?? ABSENT, ...Object.entries(headers).flat()]
  const change = { origins: origins ?? [listed(url)], ...(signal && { signal }) }
  const [status, text = '', bytes, ...rest] = await send(args, grantCall('fetch.send', [], change))
  const found: Record<string, string> = {}
  for (let i = 0; i < rest.length; i += 2) found[rest[i]!] = rest[i + 1]!
  return { status: Number(status), text, bytes: bytes === ABSENT ? undefined : bytes, headers: found }
}

/** Says what it got. */
const echo: RequestListener = (request, response) => {
  let body = ''
  request.on('data', (chunk) => {
    body += chunk
  })
  request.on('end', () => {
    const { method, url, headers } = request
    response.setHeader('x-served', 'yes').end(JSON.stringify({ method, url, headers, body }))
  })
}

describe('a request', () => {
  test('goes out as it was asked for and the answer comes back whole', async () => {
    const url = await serve(echo)
    const { status, text, headers } = await fetch(`${url}/a?b=c#d`, {
      method: 'POST',
      headers: { 'Content-Type': 'text/plain', 'X-One': '1' },
      body: 'hällo',
    })
    expect(status).toBe(200)
    expect(headers['x-served']).toBe('yes')
    const got = JSON.parse(text)
    expect(got).toMatchObject({ method: 'POST', url: '/a?b=c', body: 'hällo' })
    expect(got.headers).toMatchObject({ 'content-type': 'text/plain', 'x-one': '1', 'content-length': '6' })
    expect(Object.keys(got.headers).filter((name) => name === 'cookie' || name === 'user-agent')).toEqual([])
  })

  test('any status is an answer, a body that is no text crosses as bytes too', async () => {
    const bytes = Buffer.from([0, 255, 0x1a, 0x1e, 0x80])
    const url = await serve((_, response) => response.writeHead(503).end(bytes))
    const answer = await fetch(url)
    expect(answer.status).toBe(503)
    expect(Buffer.from(answer.bytes!, 'base64')).toEqual(bytes)
    expect(answer.text).toBe('\0\ufffd\x1a\x1e\ufffd')
  })

  test.each([
    ['host', 'x', 'the header "host" belongs to the gateway'],
    ['Connection', 'close', 'the header "connection" belongs to the gateway'],
    ['transfer-encoding', 'chunked', 'belongs to the gateway'],
    ['content-length', '3', 'belongs to the gateway'],
    ['proxy-authorization', 'x', 'belongs to the gateway'],
    ['expect', '100-continue', 'belongs to the gateway'],
    ['x-a', 'b\r\nx-c: d', 'characters that are not allowed in a header'],
    ['x a', 'b', 'is not a header name'],
  ])('the header %s: %j is refused', async (name, value, message) => {
    const url = await serve(echo)
    await expect(fetch(url, { headers: { [name]: value } })).rejects.toThrow(message)
  })

  test.each([
    ['method', { method: 'CONNECT' }, 'is not a method'],
    ['method', { method: 'GET / HTTP/1.1' }, 'is not a method'],
    ['body', { body: 'x' }, 'a GET request cannot have a body'],
    ['timeout', { timeout: 0 }, 'timeout must be a whole number from 1 to 5000'],
    ['limit', { limit: 2 ** 21 }, 'limit must be a whole number from 0 to 1048576'],
  ])('a %s that cannot be is refused', async (_, asked, message) => {
    const url = await serve(echo)
    await expect(fetch(url, asked)).rejects.toThrow(message)
  })

  test('a server that is not there', async () => {
    await expect(fetch('http://127.0.0.1:1')).rejects.toThrow('http://127.0.0.1:1 cannot be reached: ECONNREFUSED')
  })
})

describe('where it may go', () => {
  test.each([
    ['/relative', 'the URL must be absolute and begin with http: or https:'],
    ['file:///etc/passwd', 'the URL must be absolute and begin with http: or https:'],
    ['http://ann:pw@127.0.0.1/', 'must not have a user name or password'],
    ['http://127.0.0.1:9/', 'http://127.0.0.1:9 is not listed'],
    ['https://id.example.com.evil.example/', 'is not listed'],
    ['http://id.example.com/', 'http://id.example.com is not listed'],
  ])('%s', async (url, message) => {
    const origins = [parseOrigin('https://id.example.com')]
    await expect(fetch(url, { origins })).rejects.toThrow(message)
  })

  /** Every name leads there. */
  const leadsTo = (...addresses: string[]): LookupFunction => {
    return (_, options, callback) => {
      const list = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
      if (options.all === true) callback(null, list)
      else callback(null, list[0]!.address, list[0]!.family)
    }
  }
  const portOf = (url: string): string => new URL(url).port

  test.each([['127.0.0.1'], ['93.184.216.34', '127.0.0.1'], ['::ffff:127.0.0.1'], ['169.254.169.254'], ['::1']])(
    'a name that leads to %s %s is refused before anything is connected to',
    async (...addresses) => {
      let connections = 0
      const url = `http://keys.example:${portOf(await serve(() => connections++))}`
      const asked = { origins: [listed(url, false)], lookup: leadsTo(...addresses.filter(Boolean)) }
      await expect(fetch(url, asked)).rejects.toThrow('keys.example has an address that is not public')
      expect(connections).toBe(0)
    },
  )

  test('a name that changes its mind gains nothing', async () => {
    const served = await serve(echo)
    const url = `http://keys.example:${portOf(served)}`
    let asked = 0
    // Public when somebody checks it, private when it is connected to.
    const rebinding: LookupFunction = (name, options, callback) =>
      leadsTo(asked++ === 0 ? '93.184.216.34' : '127.0.0.1')(name, options, callback)
    rebinding('keys.example', { all: true }, () => {})
    await expect(fetch(url, { origins: [listed(url, false)], lookup: rebinding })).rejects.toThrow('not public')
    expect(asked).toBe(2)
  })

  test('the configuration may say that it is private', async () => {
    const url = `http://keys.example:${portOf(await serve(echo))}`
    const lookup = leadsTo('127.0.0.1')
    expect((await fetch(url, { origins: [listed(url, true)], lookup })).status).toBe(200)
  })

  test('an address may be listed as it stands', async () => {
    const url = await serve(echo)
    expect((await fetch(url, { origins: [parseOrigin(url)] })).status).toBe(200)
    // Another spelling of the same host is the same origin.
    const spelt = url.replace('127.0.0.1', '0x7f000001')
    expect((await fetch(spelt, { origins: [parseOrigin(url)] })).status).toBe(200)
  })
})

describe('redirects', () => {
  const to = (location: string, status = 302): RequestListener => {
    return (_, response) => response.writeHead(status, { location }).end()
  }

  test('are followed within what is listed, credentials stay where they belong', async () => {
    const goal = await serve(echo)
    const start = await serve(to(`${goal}/there`, 307))
    const { text } = await fetch(start, {
      method: 'POST',
      headers: { Authorization: 'Bearer x', Cookie: 'a=b', 'x-kept': '1', 'content-type': 'text/plain' },
      body: 'again',
      origins: [listed(start), listed(goal)],
    })
    const got = JSON.parse(text)
    expect(got).toMatchObject({ method: 'POST', url: '/there', body: 'again' })
    expect(got.headers).toMatchObject({ 'x-kept': '1' })
    expect(got.headers).not.toHaveProperty('authorization')
    expect(got.headers).not.toHaveProperty('cookie')
  })

  test.each([
    [301, 'POST', 'GET'],
    [302, 'POST', 'GET'],
    [303, 'PUT', 'GET'],
    [307, 'POST', 'POST'],
    [308, 'PUT', 'PUT'],
    [302, 'PUT', 'PUT'],
  ])('%d makes a %s a %s', async (status, method, becomes) => {
    const url = await serve((request, response) => {
      if (request.url === '/') response.writeHead(status, { location: '/next' }).end()
      else echo(request, response)
    })
    const headers = { authorization: 'x', 'content-type': 'text/plain' }
    const got = JSON.parse((await fetch(url, { method, headers, body: 'b' })).text)
    expect(got.method).toBe(becomes)
    expect(got.body).toBe(becomes === 'GET' ? '' : 'b')
    expect('content-type' in got.headers).toBe(becomes !== 'GET')
    expect(got.headers.authorization).toBe('x')
  })

  test('to what is not listed, or only listed as public, are refused', async () => {
    const secret = await serve(echo)
    const start = await serve(to(secret))
    await expect(fetch(start)).rejects.toThrow(`a redirect leads to ${secret}, which is not listed`)

    const name = secret.replace('127.0.0.1', 'localhost')
    const there = await serve(to(name))
    const origins = [listed(there), listed(name, false)]
    await expect(fetch(there, { origins })).rejects.toThrow('localhost has an address that is not public')
  })

  test.each([['file:///etc/passwd'], ['http://'], ['gopher://x']])('to %s leads nowhere', async (location) => {
    await expect(fetch(await serve(to(location)))).rejects.toThrow(
      'the redirect does not lead to a valid http: or https: URL',
    )
  })

  test('three are enough', async () => {
    let left = 3
    const url = await serve((_, response) => {
      if (left-- > 0) response.writeHead(302, { location: '/' }).end()
      else response.end('there')
    })
    expect((await fetch(url)).text).toBe('there')
    left = 4
    await expect(fetch(url)).rejects.toThrow('more than 3 redirects')
  })
})

describe('bounds', () => {
  test.each([
    ['answers nothing', () => {}],
    ['never ends its head', (response: ServerResponse) => response.socket!.write('HTTP/1.1 200 OK\r\nx: ')],
    ['never ends its body', (response: ServerResponse) => response.write('some')],
  ])('a server that %s', async (_, answer) => {
    let closed = false
    const url = await serve((request, response) => {
      request.socket.on('close', () => {
        closed = true
      })
      answer(response)
    })
    await expect(fetch(url, { timeout: 50 })).rejects.toThrow('no response within 50 ms')
    await until('the connection to be closed', () => closed)
  })

  test('a client that goes away takes the request with it', async () => {
    let closed = false
    let arrived = false
    const url = await serve((request) => {
      arrived = true
      request.socket.on('close', () => {
        closed = true
      })
    })
    const leaving = new AbortController()
    const result = expect(fetch(url, { signal: leaving.signal })).rejects.toThrow(
      'canceled: the hook no longer waits for the response',
    )
    await until('the request', () => arrived)
    leaving.abort()
    await result
    await until('the connection to be closed', () => closed)
  })

  test('10 MB are cut off', async () => {
    let sent = 0
    let closed = false
    const url = await serve((_, response) => {
      response.on('close', () => {
        closed = true
      })
      const more = (): void => {
        while (sent < 10 * 1024 * 1024 && !response.destroyed) {
          sent += 65_536
          if (!response.write(Buffer.alloc(65_536))) return void response.once('drain', more)
        }
        response.end()
      }
      more()
    })
    await expect(fetch(url)).rejects.toThrow('the response is longer than 1048576 bytes')
    await until('the connection to be closed', () => closed)
    expect((await fetch(await serve(echo), { limit: 1_000 })).status).toBe(200)
    await expect(fetch(await serve(echo), { limit: 10 })).rejects.toThrow('the response is longer than 10 bytes')
  })

  test('a head without end', async () => {
    const url = await serve((_, response) => {
      response.socket!.write(`HTTP/1.1 200 OK\r\n${'x: '.padEnd(20_000, 'y')}\r\n\r\n`)
    })
    await expect(fetch(url)).rejects.toThrow('cannot be reached: UND_ERR_HEADERS_OVERFLOW')
  })

  test('the connections of one policy leave those of another as they were', async () => {
    const held: ServerResponse[] = []
    const url = await serve((request, response) => {
      if (request.url === '/held') held.push(response)
      else response.end('served')
    })
    const { send } = createFetch(createFetcher(createOutbound()))
    const ask = (policy: string, path: string): Promise<readonly string[]> | readonly string[] => {
      const args = [url + path, 'GET', '5000', '100', ABSENT]
      return send(args, grantCall('fetch.send', [], { policy, origins: [listed(url)] }))
    }
    const hostile = Array.from({ length: 60 }, () => ask('hostile', '/held'))
    await until('all its connections', () => held.length === 32)
    expect((await ask('innocent', '/'))[1]).toBe('served')
    expect(held).toHaveLength(32)
    while (held.length > 0) {
      held.shift()!.end('late')
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    expect((await Promise.all(hostile)).every(([status]) => status === '200')).toBe(true)
  })

  test('bytes are counted as they arrive, and no more once the request is over', async () => {
    const url = await serve((_, response) => response.end(Buffer.alloc(200_000, 'a')))
    const { send } = createFetch(createFetcher(createOutbound()))
    let held = 0
    let most = 0
    const change = {
      origins: [listed(url)],
      hold: (bytes: number): void => {
        most = Math.max(most, held + bytes)
        if (held + bytes > 500_000) throw new GrantError('too many bytes')
        held += bytes
      },
    }
    const ask = (): unknown => send([url, 'GET', '5000', '1000000', ABSENT], grantCall('fetch.send', [], change))
    // In pieces, as a whole, and as a text of two bytes a character.
    await expect(ask()).rejects.toThrow('too many bytes')
    expect(most).toBeGreaterThan(700_000)
    expect(held).toBe(0)
  })

  test('one policy has 256 under way, which count for no other', async () => {
    const { send } = createFetch(() => new Promise(() => {}))
    const args = ['http://x', 'GET', '1000', '0', ABSENT]
    for (let i = 0; i < 256; i++) void send(args, grantCall('fetch.send'))
    await expect(send(args, grantCall('fetch.send'))).rejects.toThrow('more than 256 requests')
    const other = grantCall('fetch.send', [], { policy: 'other' })
    const outcome = await Promise.race([send(args, other), Promise.resolve('waits')])
    expect(outcome).toBe('waits')
  })
})
