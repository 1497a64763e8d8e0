import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import type { PosternError } from '../../core/errors.ts'
import type { ByteStream } from '../../core/net/byte-stream.ts'
import { connectTo } from '../../core/net/connect.ts'
import { listen, until } from '../upstream/sockets.ts'

function attempt(port: number, timeout: number, host = '127.0.0.1') {
  const calls: { error: PosternError | undefined; stream: ByteStream | undefined }[] = []
  const connecting = connectTo({ host, port, address: `${host}:${port}` }, timeout, (error, stream) => {
    calls.push({ error, stream })
  })
  return { calls, cancel: () => connecting.cancel() }
}

test('gives a connected stream, and leaves it alone when cancelled late', async () => {
  const server = createServer((socket) => socket.on('error', () => {}))
  const port = await listen(server)
  const { calls, cancel } = attempt(port, 5_000)
  await until(() => calls.length > 0)
  const stream = calls[0]!.stream!
  expect(stream.remote()).toMatchObject({ address: '127.0.0.1', port })
  cancel()
  expect(stream.isOpen).toBe(true)
  stream.destroy()
  server.close()
  await once(server, 'close')
  expect(calls).toHaveLength(1)
})

test('reports a refused connection', async () => {
  const server = createServer()
  const port = await listen(server)
  server.close()
  await once(server, 'close')
  for (const host of ['127.0.0.1', 'localhost']) {
    const { calls } = attempt(port, 5_000, host)
    await until(() => calls.length > 0)
    expect(calls[0]!.error).toMatchObject({ code: 'UF', status: 502, message: expect.stringContaining('ECONNREFUSED') })
  }
})

/** A port that answers no SYN: its accept queue is full and its thread sleeps. */
async function blackhole(): Promise<{ port: number; close(): Promise<unknown> }> {
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads')
     const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
       parentPort.postMessage(server.address().port)
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
     })`,
    { eval: true },
  )
  const [port] = (await once(worker, 'message')) as [number]
  const fillers = Array.from({ length: 8 }, () => connect({ port, host: '127.0.0.1' }).on('error', () => {}))
  // A backlog of one takes two.
  await until(() => fillers.filter((socket) => !socket.connecting).length >= 2)
  return {
    port,
    close() {
      for (const socket of fillers) socket.destroy()
      return worker.terminate()
    },
  }
}

test('fails at the timeout, with status 504', async () => {
  const { port, close } = await blackhole()
  const { calls } = attempt(port, 50)
  await until(() => calls.length > 0)
  expect(calls[0]!.error).toMatchObject({ code: 'UF', status: 504, message: expect.stringContaining('within 50 ms') })
  await close()
})

test('does not call back after cancel', async () => {
  const { port, close } = await blackhole()
  const { calls, cancel } = attempt(port, 20)
  cancel()
  cancel()
  const later = attempt(port, 40)
  await until(() => later.calls.length > 0)
  expect(calls).toHaveLength(0)
  await close()
})
