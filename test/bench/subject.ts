import { caddy } from './peers/caddy.ts'
import { fastify } from './peers/fastify.ts'
import { haproxy } from './peers/haproxy.ts'
import { nginx, nginxLua, nginxStream } from './peers/nginx.ts'
import type { Peer, Work } from './peers/peer.ts'
import { postern } from './peers/postern.ts'

/** A proxy with what it has to do: a row of a table. */
export interface Subject {
  readonly name: string
  readonly peer: Peer
  readonly work: Work
}

function subject(name: string, peer: Peer, work: Partial<Work> = {}): Subject {
  return { name, peer, work: { layer: 'http', plugins: 0, ...work } }
}

/** Names that begin with `postern` are this gateway. */
export const subjects = {
  nginx: subject('nginx', nginx),
  nginxSilent: subject('nginx no-log', nginx, { accessLog: false }),
  nginxLua: subject('nginx+lua', nginxLua, { plugins: 3 }),
  haproxy: subject('haproxy', haproxy),
  caddy: subject('caddy', caddy),
  fastify: subject('@fastify/http-proxy', fastify),
  postern: subject('postern', postern),
  posternSilent: subject('postern no-log', postern, { accessLog: false }),
  posternOne: subject('postern +1 plugin', postern, { plugins: 1 }),
  posternThree: subject('postern +3 plugins', postern, { plugins: 3 }),
  posternFive: subject('postern +5 plugins', postern, { plugins: 5 }),
  posternUnprobed: subject('postern no health checks', postern, { healthChecks: false }),
  posternWide: subject('postern ×2 workers', postern, { workers: 2 }),
  posternOneWide: subject('postern +1 plugin ×2 workers', postern, { plugins: 1, workers: 2 }),
  posternThreeWide: subject('postern +3 plugins ×2 workers', postern, { plugins: 3, workers: 2 }),
  nginxTls: subject('nginx', nginx, { tls: true }),
  caddyTls: subject('caddy', caddy, { tls: true }),
  posternTls: subject('postern', postern, { tls: true }),
  nginxHttp2: subject('nginx', nginx, { http2: true }),
  nginxLuaHttp2: subject('nginx+lua', nginxLua, { http2: true, plugins: 3 }),
  haproxyHttp2: subject('haproxy', haproxy, { http2: true }),
  caddyHttp2: subject('caddy', caddy, { http2: true }),
  posternHttp2: subject('postern', postern, { http2: true }),
  posternThreeHttp2: subject('postern +3 plugins', postern, { http2: true, plugins: 3 }),
  nginxGrpc: subject('nginx', nginx, { grpc: 'unary' }),
  haproxyGrpc: subject('haproxy', haproxy, { grpc: 'unary' }),
  caddyGrpc: subject('caddy', caddy, { grpc: 'unary' }),
  posternGrpc: subject('postern', postern, { grpc: 'unary' }),
  nginxOpen: subject('nginx', nginx, { grpc: 'open' }),
  haproxyOpen: subject('haproxy', haproxy, { grpc: 'open' }),
  posternOpen: subject('postern', postern, { grpc: 'open' }),
  nginxTcp: subject('nginx stream', nginxStream, { layer: 'tcp' }),
  haproxyTcp: subject('haproxy tcp', haproxy, { layer: 'tcp' }),
  posternTcp: subject('postern tcp', postern, { layer: 'tcp' }),
  nginxByName: subject('nginx stream', nginxStream, { layer: 'tcp', passthrough: 'name' }),
  haproxyByName: subject('haproxy tcp', haproxy, { layer: 'tcp', passthrough: 'name' }),
  posternByName: subject('postern tcp', postern, { layer: 'tcp', passthrough: 'name' }),
  posternBlind: subject('postern tcp, no name read', postern, { layer: 'tcp', passthrough: 'blind' }),
  nginxProxied: subject('nginx stream', nginxStream, { layer: 'tcp', proxyProtocol: true }),
  haproxyProxied: subject('haproxy tcp', haproxy, { layer: 'tcp', proxyProtocol: true }),
  posternProxied: subject('postern tcp', postern, { layer: 'tcp', proxyProtocol: true }),
  posternUnproxied: subject('postern tcp, no header', postern, { layer: 'tcp' }),
  nginxUdp: subject('nginx stream', nginxStream, { layer: 'udp' }),
  posternUdp: subject('postern udp', postern, { layer: 'udp' }),
  nginxSockets: subject('nginx', nginx, { webSockets: true }),
  haproxySockets: subject('haproxy', haproxy, { webSockets: true }),
  caddySockets: subject('caddy', caddy, { webSockets: true }),
  fastifySockets: subject('@fastify/http-proxy', fastify, { webSockets: true }),
  posternSockets: subject('postern', postern, { webSockets: true }),
  nginxRoutes: subject('nginx 10 routes', nginx, { routes: 10 }),
  nginxManyRoutes: subject('nginx 10k routes', nginx, { routes: 10_000 }),
  posternRoutes: subject('postern 10 routes', postern, { routes: 10 }),
  posternReload: subject('postern 10k routes 1k upstreams', postern, { routes: 10_000, upstreams: 1_000 }),
  posternManyRoutes: subject('postern 10k routes', postern, { routes: 10_000 }),
} as const satisfies Record<string, Subject>
