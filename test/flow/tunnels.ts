import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { open } from '../helpers/client.ts'
import { httpConfig, type Json, startInProcess } from '../helpers/gateway.ts'
import { collect, type RawBackend, type Received, rawBackend } from '../http1/raw-backend.ts'
import { arrived } from './wire.ts'

const bodies = readFileSync(join(import.meta.dirname, '../fixtures/plugins/bodies.ts'), 'utf8')

/** The plugin of these gateways. */
export const files = { 'plugins/bodies/index.ts': bodies }

type InProcess = Awaited<ReturnType<typeof startInProcess>>
type Sections = { [section: string]: { [name: string]: Json } }

export function configOf(port: number, options: { [name: string]: Json }, extra: Sections = {}): Json {
  const { routes = {}, upstreams = {}, ...rest } = extra
  return httpConfig([port], {
    routes: { all: { policies: ['bodies'], ...(routes.all as object) } },
    upstreams: { app: (upstreams.app ?? {}) as Json },
    policies: { bodies: { plugin: 'bodies', options } },
    ...rest,
  })
}

/** A gateway whose one policy does what the options say. */
export function startWith(
  port: number,
  options: { [name: string]: Json } = {},
  extra: Sections = {},
): Promise<InProcess> {
  return startInProcess(configOf(port, options, extra), files)
}

export const ask =
  'GET /chat HTTP/1.1\r\nhost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nx-a: b\r\n\r\n'
export const asked = 'GET /chat HTTP/1.1\r\nhost: h\r\nx-a: b\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n'
export const ordinary = 'GET /chat HTTP/1.1\r\nhost: h\r\nx-a: b\r\n\r\n'
export const agree = 'HTTP/1.1 101 Sure\r\nUpgrade: websocket\r\nConnection: upgrade\r\nx-key: k\r\n\r\n'
export const agreed =
  'HTTP/1.1 101 Switching Protocols\r\nx-key: k\r\nx-status: 101\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n'

/** Agrees to every upgrade; what comes after it, it sends back. */
export function echoing(): Promise<RawBackend> {
  const agreedTo = new Set<Socket>()
  return rawBackend((socket, seen) => {
    if (agreedTo.has(socket)) socket.write(seen.slice(seen.indexOf('\r\n\r\n') + 4).slice(-5))
    else if (seen.endsWith('\r\n\r\n')) {
      agreedTo.add(socket)
      socket.write(agree)
    }
  })
}

/** A tunnel that stands, from the client's side. */
export async function tunnelTo(gateway: InProcess): Promise<{ client: Socket; got: Received }> {
  const client = await open(gateway.port('web'))
  const got = collect(client)
  client.write(ask)
  await arrived(got, agreed)
  return { client, got }
}

export async function echo({ client, got }: { client: Socket; got: Received }, text: string): Promise<void> {
  client.write(text)
  await arrived(got, text)
}
