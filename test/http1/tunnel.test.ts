import { describe, expect, test } from 'vitest'
import { until } from '../helpers/until.ts'
import { answering, collect, dateless, ok, rawBackend } from './raw-backend.ts'
import { startRelay } from './relay.ts'
import { open, reset } from './transport.ts'

const upgrade = 'GET /chat HTTP/1.1\r\nhost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n'
const forwarded = 'GET /chat HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n'
const agreed = 'HTTP/1.1 101 Sure\r\nUpgrade: websocket\r\nConnection: upgrade\r\nx-key: k\r\n\r\n'

describe('a tunnel', () => {
  test('is established by a 101; bytes that either side sent ahead come first, in order', async () => {
    let answered = false
    const backend = await rawBackend((socket, seen) => {
      if (!answered) socket.write(`${agreed}first `)
      answered = true
      if (seen.endsWith('more')) socket.write('second')
    })
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write(`${upgrade}ahead`)
    await until('the first bytes', () => got.text.endsWith('first '))
    client.write(' and more')
    await until('the answer', () => got.text.endsWith('second'))
    expect(backend.seen).toEqual([`${forwarded}ahead and more`])
    expect(got.text).toBe(
      'HTTP/1.1 101 Switching Protocols\r\nx-key: k\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nfirst second',
    )
    client.end()
    await until('nothing left', () => backend.sockets.size === 0 && relay.connections.size === 0)
    expect(relay.ends).toEqual(['sent'])
    expect(relay.pool.idle).toBe(0)
  })

  test.each([
    ['POST without a body', 'content-length: 0\r\n\r\n', 'content-length: 0\r\n', ''],
    ['POST with a length', 'content-length: 4\r\n\r\nbody', 'content-length: 4\r\n', 'body'],
    [
      'POST in chunks',
      'transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n',
      'transfer-encoding: chunked\r\n',
      '4\r\nbody\r\n0\r\n\r\n',
    ],
  ])('is established for a %s (kubectl exec, docker attach)', async (_what, sent, framing, body) => {
    let answered = false
    const backend = await rawBackend((socket, seen) => {
      if (!answered && seen.endsWith(`\r\n\r\n${body}`)) {
        answered = true
        socket.write(agreed.replace('websocket', 'SPDY/3.1'))
      }
      if (seen.endsWith('ahead')) socket.end('done')
    })
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write(`POST /exec HTTP/1.1\r\nhost: h\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n${sent}ahead`)
    await until('the answer', () => got.text.endsWith('done'))
    expect(backend.seen).toEqual([
      `POST /exec HTTP/1.1\r\nhost: h\r\n${framing}connection: upgrade\r\nupgrade: SPDY/3.1\r\n\r\n${body}ahead`,
    ])
    expect(got.text).toMatch(/^HTTP\/1.1 101 .*\r\n\r\ndone$/s)
    client.end()
    await until('nothing left', () => backend.sockets.size === 0 && relay.connections.size === 0)
  })

  test('a 101 that comes before the end of the request waits for it', async () => {
    let answered = false
    const backend = await rawBackend((socket, seen) => {
      if (!answered && seen.endsWith('\r\n\r\nbo')) socket.write(`${agreed}first `)
      answered ||= seen.endsWith('bo')
      if (seen.endsWith('dyahead')) socket.write('second')
    })
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write(upgrade.replace('\r\n\r\n', '\r\ncontent-length: 4\r\n\r\nbo'))
    await until('the agreement', () => answered)
    // Something that passes the same way, to show that time has passed.
    const other = await open(relay.port)
    other.write(upgrade.replace('\r\n\r\n', '\r\ncontent-length: 4\r\n\r\nbo'))
    await until('the other request', () => backend.seen[1]?.endsWith('bo'))
    expect(got.text).toBe('')
    client.write('dyahead')
    await until('the tunnel', () => got.text.endsWith('first second'))
    expect(got.text).toMatch(/^HTTP\/1.1 101 /)
  })

  test('a backend that breaks off between its 101 and the end of the request', async () => {
    const backend = await rawBackend((socket, seen) => {
      if (seen.endsWith('bo')) socket.write(agreed, () => setTimeout(() => reset(socket), 20))
    })
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write(upgrade.replace('\r\n\r\n', '\r\ncontent-length: 4\r\n\r\nbo'))
    await until('the break', () => backend.seen[0]?.endsWith('bo') && backend.sockets.size === 0)
    client.write('dy')
    // Which of the two comes first, the body or the break, is decided by the system.
    await until('an end', () => got.end === 'reset' || got.text.includes('x-outcome: U'))
    client.destroy()
    await until('nothing left', () => relay.connections.size === 0)
  })

  test('thousands of messages cross it unharmed', async () => {
    const backend = await rawBackend((socket, seen) => {
      if (seen.startsWith(forwarded) && seen.length === forwarded.length) socket.write(agreed)
    })
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write(upgrade)
    await until('the tunnel', () => got.text.endsWith('\r\n\r\n'))
    const words = Array.from({ length: 5000 }, (_, i) => `<${i}>`)
    for (const word of words) client.write(word)
    await until('all of them', () => backend.seen[0]!.endsWith('<4999>'))
    expect(backend.seen[0]).toBe(forwarded + words.join(''))
  })

  test.each([
    ['a 200', ok],
    ['a 426', 'HTTP/1.1 426 Upgrade Required\r\ncontent-length: 2\r\n\r\nok'],
  ])('does not stand after %s: the next bytes are a request again', async (_what, answer) => {
    const backend = await answering(answer)
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write(upgrade)
    await until('the answer', () => got.text.endsWith('ok'))
    client.write('GET /admin HTTP/1.1\r\nhost: h\r\nx : y\r\n\r\n')
    await until('the refusal', () => got.text.includes('HTTP/1.1 400'))
    expect(backend.seen.join('')).not.toContain('/admin')
  })

  test.each([
    ['without Upgrade', 'HTTP/1.1 101 S\r\nConnection: upgrade\r\n\r\n'],
    ['without Connection', 'HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n'],
    ['to something else', 'HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n'],
  ])('is refused after a 101 %s', async (_what, answer) => {
    const backend = await answering(answer)
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write(upgrade)
    await until('the answer', () => got.text.includes('x-outcome: UPE'))
  })

  test('that was not requested is malformed', async () => {
    const backend = await answering(agreed)
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write('GET / HTTP/1.1\r\nhost: h\r\n\r\n')
    await until('the answer', () => got.text.includes('x-outcome: UPE'))
    expect(dateless(got.text)).toMatch(/^HTTP\/1.1 502 /)
  })

  test.each([
    ['HTTP/1.0', upgrade.replace('1.1', '1.0')],
    ['Connection does not name it', upgrade.replace(', Upgrade', '')],
  ])('is not asked for when %s', async (_what, bytes) => {
    const backend = await rawBackend((socket) => socket.write(ok))
    const relay = await startRelay(backend.port)
    const client = await open(relay.port)
    const got = collect(client)
    client.write(bytes)
    await until('the answer', () => got.text.endsWith('ok'))
    expect(backend.seen[0]).not.toContain('upgrade')
  })
})
