import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { typed } from './typed.ts'

/** A small server: a backend of the example gateway. */
export interface ExampleBackend {
  /** Its upstream in the package's own gateway.json. */
  readonly upstream: string
  readonly protocol: 'http' | 'tcp'
  /** Port on 127.0.0.1; 0 binds a free port. */
  readonly port: number
}

export interface Example {
  /** Bound ports, in the order of the backends. */
  readonly ports: readonly number[]
  /** Closes the servers and their connections. */
  close(): Promise<void>
}

/** The backends of the package's own gateway.json; a test keeps the two the same. */
export const exampleBackends: readonly ExampleBackend[] = [
  { upstream: 'orders', protocol: 'http', port: 9101 },
  { upstream: 'orders', protocol: 'http', port: 9102 },
  { upstream: 'users', protocol: 'http', port: 9103 },
  { upstream: 'users-beta', protocol: 'http', port: 9104 },
  { upstream: 'echo', protocol: 'tcp', port: 9105 },
]

/** SHA-256 of the package's own gateway.json, its white space aside; a test keeps the two the same. */
const digest = 'bc3da9192d97ed20da141c05669c7d8e7c57164ba231752cf45d7f24d9a8d872'

/** Whether a file is the example, wherever it is: an edited copy of it is somebody's own configuration. */
export function isExample(file: string): boolean {
  try {
    const text = JSON.stringify(JSON.parse(readFileSync(file, 'utf8')))
    return createHash('sha256').update(text).digest('hex') === digest
  } catch {
    return false
  }
}

/**
 * Starts the backends of the example gateway, so that it runs without further installation.
 *
 * @param backends default: `exampleBackends`.
 * @throws {Error} when a port is in use; all servers are closed then.
 */
export async function startExample(backends: readonly ExampleBackend[] = exampleBackends): Promise<Example> {
  const started: Running[] = []
  const close = async (): Promise<void> => {
    await Promise.all(started.map((running) => running.close()))
  }
  try {
    for (const backend of backends) started.push(await start(backend))
  } catch (error) {
    await close()
    throw error
  }
  return { ports: started.map((running) => running.port), close }
}

/** Addresses and commands to try, for a terminal. */
export function exampleLines(): string[] {
  const web = 'curl -i http://127.0.0.1:8080'
  const tries: [command: string, shows: string][] = [
    [`${web}/orders/1`, '200, from one of two backends; the cookie keeps a client on the same one'],
    [`${web}/users/42`, '401: this route requires a key'],
    [`${web}/users/42 -H 'x-api-key: demo-key-alice'`, '200: the backend receives the name of the caller'],
    [`${web}/users/42 -H 'x-api-key: demo-key-alice' -H 'x-beta: 1'`, '200, from the upstream users-beta'],
    [`${web}/limited`, '200 five times per minute; the sixth gets 429 with the time to retry'],
    [`${web}/ -H 'host: admin.localhost'`, '200: a route by host, for office addresses only'],
    [
      `${web}/ -H 'host: admin.localhost' -H 'x-forwarded-for: 203.0.113.9'`,
      '403: this client address is outside the office',
    ],
    ['printf hello | curl -s -m 1 telnet://127.0.0.1:8081', 'hello: TCP, protected by the same office-only policy'],
  ]
  return [
    'The example gateway (gateway.json): http://127.0.0.1:8080, and TCP on 127.0.0.1:8081. Try, in another terminal:',
    ...tries.flatMap(([command, shows]) => [`  ${command}`, `      ${shows}`]),
    `Run your own: ${typed()} run -c my.json. Ctrl-C stops this one.`,
  ]
}

interface Running {
  readonly port: number
  close(): Promise<void>
}

async function start(backend: ExampleBackend): Promise<Running> {
  // Loaded where it is needed: with it comes an HTTP client of Node's that takes a tenth of a second to load.
  const { createServer: createHttpServer } = await import('node:http')
  const server = backend.protocol === 'http' ? createHttpServer(answer(backend.upstream)) : createTcpServer(echo)
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await listen(server, backend)
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

function listen(server: Server, { upstream, port }: ExampleBackend): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'the port is in use' : error.message
      const what = `the example's backend of "${upstream}" cannot listen on 127.0.0.1:${port}: ${why}`
      reject(new Error(`${what}; stop the other program, or run your own gateway with -c`, { cause: error }))
    })
    server.listen(port, '127.0.0.1', resolve)
  })
}

/** Responds with its own address and the received request, which shows the effect of each policy. */
function answer(upstream: string): RequestListener {
  return (request, response) => {
    const { headers, socket } = request
    const seen = {
      upstream,
      backend: `127.0.0.1:${socket.localPort}`,
      method: request.method,
      path: request.url,
      host: headers.host,
      consumer: headers['x-consumer'] ?? null,
      'x-forwarded-for': headers['x-forwarded-for'] ?? null,
    }
    request.resume()
    response.setHeader('content-type', 'application/json')
    response.end(`${JSON.stringify(seen, null, 2)}\n`)
  }
}

function echo(socket: Socket): void {
  socket.on('error', () => socket.destroy())
  socket.pipe(socket)
}
