import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hasCommand } from './installed.ts'
import type { Lab } from './lab.ts'
import { nginxCommand, nginxMain, nginxTemporary } from './peers/nginx.ts'
import { certificate } from './peers/peer.ts'
import { freePort, reachable } from './ports.ts'

/** 127 bytes. */
export const smallBody: string = JSON.stringify({
  id: 471,
  name: 'A small document',
  tags: ['bench', 'proxy', 'gateway'],
  note: 'about as long as many of the answers of an API',
})

/** A request and an answer of gRPC, in hex: each a message of one field in its frame of 5 bytes. */
export const grpcRequest = '00000000020801'
export const grpcAnswer = '00000000050a03616263'

/** Bodies by path; everything else is `smallBody`. Lengths in bytes. */
export const files: Readonly<Record<string, number>> = { '/100k': 100_000, '/10m': 10_000_000 }

/** What the proxies forward to: one server on two ports. It says in `x-backend` which one was asked. */
export interface BenchBackend {
  readonly stable: number
  readonly beta: number
  /** Another server, of ours: sends back what WebSockets say, and answers other requests as `stable` does. */
  readonly echo: number
  /** HTTP/2 without TLS: answers each call with `grpcAnswer`. The server on the other ports, so there is none without nginx. */
  readonly unary: number
  /** `stable` over TLS. The server on the other ports, so there is none without nginx. */
  readonly encrypted: number
  /** HTTP/2 without TLS, the server of `echo`: answers begin, and do not end. */
  readonly open: number
}

/** Starts nginx, which is faster than any proxy in front of it; without nginx, a server of ours that does no more than it must. */
export async function startBackend(lab: Lab): Promise<BenchBackend> {
  const stable = await freePort()
  const beta = await freePort()
  const echo = await freePort()
  const unary = await freePort()
  const open = await freePort()
  const encrypted = await freePort()
  const folder = join(lab.folder, 'backend')
  mkdirSync(folder)
  const command = hasCommand('nginx')
    ? nginxCommand(folder, configOf(folder, { stable, beta, unary, encrypted }))
    : [process.execPath, join(import.meta.dirname, 'backend-server.ts'), `${stable}`, `${beta}`]
  const own = [process.execPath, join(import.meta.dirname, 'echo-server.ts'), `${echo}`, `${open}`]
  const running = lab.start('backend', command, lab.pinning?.load)
  const echoing = lab.start('echo', own, lab.pinning?.load)
  for (const [port, server] of [
    [stable, running],
    [beta, running],
    [echo, echoing],
    [open, echoing],
    ...(hasCommand('nginx')
      ? ([
          [unary, running],
          [encrypted, running],
        ] as const)
      : []),
  ] as const) {
    if (!(await reachable(port, () => server.hasEnded))) throw new Error(`no backend: ${server.output()}`)
  }
  return { stable, beta, echo, unary, open, encrypted }
}

type Ports = Pick<BenchBackend, 'stable' | 'beta' | 'unary' | 'encrypted'>

function configOf(folder: string, { stable, beta, unary, encrypted }: Ports): string {
  writeFileSync(join(folder, 'answer'), grpcAnswer, 'hex')
  for (const [path, length] of Object.entries(files)) writeFileSync(join(folder, path), Buffer.alloc(length, 'x'))
  const exact = Object.keys(files)
    .map((path) => `    location = ${path} { root ${folder}; }\n`)
    .join('')
  const server = (name: string, port: number, tls = ''): string => `
  server {
    listen 127.0.0.1:${port} ${tls === '' ? '' : 'ssl '}backlog=4096; ${tls}
    add_header x-backend ${name};
${exact}    location / { return 200 '${smallBody}'; }
  }`
  const overTls = `ssl_certificate ${certificate.cert}; ssl_certificate_key ${certificate.key}; ssl_protocols TLSv1.3;`
  // nginx answers no POST with a file, but with the page of an error; its text in a configuration holds no byte 0.
  const grpc = `
  server {
    listen 127.0.0.1:${unary} http2 backlog=4096;
    default_type application/grpc; add_header x-backend stable;
    location / { return 405; }
    error_page 405 =200 /answer;
    location = /answer { root ${folder}; add_trailer grpc-status 0; add_header x-backend stable; }
  }`
  return `${nginxMain(folder, 30_000)}
http {
  access_log off; sendfile on; tcp_nopush on; default_type application/json;
  keepalive_requests 1000000000; keepalive_timeout 1h;
${nginxTemporary(folder)}
${server('stable', stable)}${server('beta', beta)}${server('stable', encrypted, overTls)}${grpc}
}`
}
