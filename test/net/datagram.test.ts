import { createSocket } from 'node:dgram'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { DatagramSocket, Sender } from '../../core/net/datagram.ts'
import { areRawDatagramsUsable, checkRawDatagrams } from '../../core/net/datagram-check.ts'
import { bindSocket, handleOf, NodeDatagram } from '../../core/net/node-datagram.ts'
import { RawDatagram } from '../../core/net/raw-datagram.ts'
import { type UdpHandle, udp } from '../../core/net/udp-binding.ts'
import { until } from '../helpers/until.ts'

class Notes {
  readonly heard: { text: string; from: Sender }[] = []
  readonly failures: string[] = []

  onDatagram(bytes: Buffer, from: Sender): void {
    this.heard.push({ text: bytes.toString('latin1'), from: { address: from.address, port: from.port } })
  }

  onFailure(code: string): void {
    this.failures.push(code)
  }
}

const opened: DatagramSocket[] = []

function open<T extends DatagramSocket | string>(socket: T): T & DatagramSocket {
  if (typeof socket === 'string') throw new Error(socket)
  opened.push(socket)
  return socket as T & DatagramSocket
}

beforeAll(async () => {
  expect(await checkRawDatagrams()).toBeUndefined()
  expect(areRawDatagramsUsable()).toBe(udp !== undefined)
})

afterEach(() => {
  for (const socket of opened.splice(0)) socket.close()
})

// With POSTERN_RAW_SOCKETS=0 there are none.
const raw = udp
const kinds = {
  ...(raw !== undefined && {
    'raw sockets': {
      connect: (address: string, port: number, notes: Notes) =>
        RawDatagram.connect(new raw.UDP(), address, port, address.includes(':'), notes),
      adopt: (handle: object, notes: Notes) => new RawDatagram(handle as UdpHandle, notes),
    },
  }),
  'sockets of node': {
    connect: (address: string, port: number, notes: Notes) => NodeDatagram.connect(address, port, notes),
    adopt: (handle: object, notes: Notes) => NodeDatagram.adopt(handle, notes),
  },
}

describe.each(Object.entries(kinds))('%s', (_name, { connect, adopt }) => {
  test.each(['127.0.0.1', '::1'])('exchange datagrams of 0 to 65,507 bytes over %s', async (address) => {
    const server = new Notes()
    const listening = open(NodeDatagram.bind(address, 0, server))
    const client = new Notes()
    const socket = open(connect(address, listening.port, client))
    const sent = ['', 'a', 'b'.repeat(1_472), 'c'.repeat(65_507)]
    for (const text of sent) expect(socket.send(Buffer.from(text))).toBeUndefined()
    await until('all', () => server.heard.length === sent.length)
    expect(server.heard.map(({ text }) => text)).toEqual(sent)
    for (const { text, from } of server.heard) listening.send(Buffer.from(`${text.length}`), from)
    await until('the answers', () => client.heard.length === sent.length)
    expect(client.heard.map(({ text }) => text)).toEqual(['0', '1', '1472', '65507'])
  })

  test('say that nothing listens', async () => {
    const gone = createSocket('udp4')
    await new Promise<void>((resolve) => gone.bind(0, '127.0.0.1', resolve))
    const { port } = gone.address()
    gone.close()
    const notes = new Notes()
    const socket = open(connect('127.0.0.1', port, notes))
    socket.send(Buffer.from('x'))
    await until('the refusal', () => notes.failures.length > 0)
    expect(notes.failures).toEqual(['ECONNREFUSED'])
  })

  test('lose what is too large, and go on', async () => {
    const server = new Notes()
    const listening = open(NodeDatagram.bind('127.0.0.1', 0, server))
    const notes = new Notes()
    const socket = open(connect('127.0.0.1', listening.port, notes))
    const failure = socket.send(Buffer.alloc(65_508))
    socket.send(Buffer.from('x'))
    await until('the next one', () => server.heard.length === 1)
    expect([failure, ...notes.failures].filter((code) => code !== undefined)).toEqual(['EMSGSIZE'])
  })

  test('leave what they do not read to others that have the socket', async () => {
    const holder = bindSocket('127.0.0.1', 0)
    handleOf(holder).recvStop()
    const notes = new Notes()
    const socket = open(adopt(handleOf(holder), notes))
    const client = createSocket('udp4')
    client.send('1', socket.port, '127.0.0.1')
    await until('the first', () => notes.heard.length === 1)
    socket.pause()
    client.send('2', socket.port, '127.0.0.1')
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(notes.heard).toHaveLength(1)
    // It still answers.
    const answered = new Promise<string>((resolve) => client.once('message', (bytes) => resolve(bytes.toString())))
    socket.send(Buffer.from('answer'), notes.heard[0]!.from)
    expect(await answered).toBe('answer')
    client.close()
  })

  test('say nothing once they are closed', async () => {
    const listening = open(NodeDatagram.bind('127.0.0.1', 0, new Notes()))
    const socket = connect('127.0.0.1', listening.port, new Notes()) as DatagramSocket
    socket.close()
    socket.close()
    socket.pause()
    expect(socket.send(Buffer.from('x'))).toBe('EBADF')
  })
})
