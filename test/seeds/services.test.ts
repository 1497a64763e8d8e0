import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { freePort } from '../bench/ports.ts'
import { echoBackend, tcpBackend } from '../helpers/backend.ts'
import { drained, open } from '../helpers/client.ts'
import { type Json, startInProcess } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { describeWith } from '../peers/needs.ts'
import { startPeer } from '../peers/peer.ts'
import { echo } from '../udp/peers.ts'
import { seed } from './seed.ts'

function forwarding(port: number): Json {
  return {
    listeners: { in: { protocol: 'tcp', address: '127.0.0.1', port: 0 } },
    routes: { all: { listener: 'in', upstream: 'out' } },
    upstreams: { out: { protocol: 'tcp', backends: [{ address: `127.0.0.1:${port}` }], health: false } },
  }
}

describeWith(['redis-server'], 'Redis', () => {
  test('takes a thousand commands that a client sends at once, and those of a subscriber that waits', async () => {
    const redis = await startPeer(({ folder, port }) => {
      return ['redis-server', '--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--dir', folder]
    })
    const gateway = await startInProcess(forwarding(redis.port))
    const subscriber = await open(gateway.port('in'))
    let heard = ''
    subscriber.on('data', (chunk: Buffer) => (heard += chunk.toString()))
    subscriber.write('SUBSCRIBE news\r\n')
    await until('the subscription', () => heard.includes('subscribe'))
    const client = await open(gateway.port('in'))
    const answer = drained(client)
    const commands = Array.from({ length: 1_000 }, (_, index) => `INCRBY sum ${index}\r\n`)
    client.write(`${commands.join('')}PUBLISH news hello\r\nGET sum\r\nQUIT\r\n`)
    expect((await answer).split('\r\n').slice(-4)).toEqual(['$6', '499500', '+OK', ''])
    await until('the news', () => heard.includes('hello'))
  })
})

test('SMTP: the banner of the server comes before the client has sent a byte', async () => {
  const backend = await tcpBackend((socket) => {
    socket.on('error', () => {})
    socket.write('220 mail.example ESMTP\r\n')
    socket.on('data', (chunk) => void socket.write(chunk.toString().startsWith('QUIT') ? '221 bye\r\n' : '250 ok\r\n'))
    socket.on('end', () => socket.end())
  })
  const gateway = await startInProcess(forwarding(backend.port))
  const client = connect(gateway.port('in'), '127.0.0.1')
  let heard = ''
  client.on('data', (chunk: Buffer) => (heard += chunk.toString()))
  await until('the banner', () => heard === '220 mail.example ESMTP\r\n')
  client.write('EHLO me\r\n')
  await until('an answer', () => heard.endsWith('250 ok\r\n'))
  client.end('QUIT\r\n')
  await until('the end', () => heard.endsWith('221 bye\r\n') && client.readableEnded)
})

test('the stream configuration of nginx: least connections, an idle limit, and one answer for each datagram', async () => {
  const names = ['10', '11', '12'] as const
  const tcp = await Promise.all(
    names.map((name) => tcpBackend((socket) => void socket.on('error', () => {}).write(name))),
  )
  const udp = await Promise.all(names.map(echo))
  const ports = Object.fromEntries(
    names.flatMap((name, index) => [
      [`192.168.1.${name}:8080`, tcp[index]!.port],
      [`192.168.1.${name}:5353`, udp[index]!.port],
    ]),
  )
  const gateway = await startInProcess(seed('stream', ports, { '1s': '400ms' }))
  const clients = await Promise.all(
    [1, 2, 3, 4, 5, 6].map(async () => {
      const client = await open(gateway.port('tcp'))
      client.on('error', () => {})
      return { client, name: await new Promise((resolve) => client.once('data', (chunk) => resolve(String(chunk)))) }
    }),
  )
  expect(clients.map(({ name }) => name).toSorted()).toEqual(['10', '10', '11', '11', '12', '12'])
  await Promise.all(clients.map(({ client }) => new Promise((resolve) => client.once('close', resolve))))
  await until('their records', () => gateway.log.filter(({ outcome }) => outcome === 'SI').length === 6)
  const socket = createSocket('udp4')
  const answers: string[] = []
  socket.on('message', (data) => answers.push(data.toString()))
  for (let i = 0; i < 3; i++) {
    socket.send(`question ${i}`, gateway.port('udp'), '127.0.0.1')
    await until('its answer', () => answers.length === i + 1)
    // Each session is over with its answer, so that the next question is one of its own.
    await until('its record', () => gateway.log.filter(({ listener }) => listener === 'udp').length === i + 1)
  }
  socket.close()
  expect(answers.map((answer) => answer.split(':')[0]).toSorted()).toEqual([...names])
  const record = gateway.log.find(({ listener }) => listener === 'udp')
  expect(record).toMatchObject({ outcome: '', datagramsIn: 1, datagramsOut: 1 })
})

test('two tiers: the services get the address of the client through both, and each request has its route', async () => {
  const [users, orders] = [await echoBackend('users'), await echoBackend('orders')]
  const inner = await freePort()
  const gateway = await startInProcess(
    seed('two-tiers', {
      '10.10.10.111 80': inner,
      '10.10.10.111:80': inner,
      '10.10.20.11:8080': users.port,
      '10.10.20.21:8080': orders.port,
    }),
  )
  const client = connect({ port: gateway.port('edge'), host: '127.0.0.1', localAddress: '127.0.0.77' })
  let heard = ''
  client.on('data', (chunk: Buffer) => (heard += chunk.toString()))
  for (const path of ['/users/7', '/orders/8']) client.write(`GET ${path} HTTP/1.1\r\nhost: shop.example\r\n\r\n`)
  await until('both answers', () => heard.split('"name"').length === 3)
  client.destroy()
  expect([...heard.matchAll(/"name":"(\w+)"/g)].map(([, name]) => name)).toEqual(['users', 'orders'])
  expect([...heard.matchAll(/"x-forwarded-for":"([^"]+)"/g)].map(([, ip]) => ip)).toEqual(['127.0.0.77', '127.0.0.77'])
  const record = await gateway.record(({ listener }) => listener === 'app')
  expect(record).toMatchObject({ client: '127.0.0.77', upstream: 'users' })
})
