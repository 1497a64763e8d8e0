import { grpcRequest } from '../backend.ts'
import { missingH2load } from '../load/generate.ts'
import { nginx } from '../peers/nginx.ts'
import { grpcHeaders } from '../peers/peer.ts'
import { subjects as s } from '../subject.ts'
import { idle, idleHttp2, idleTcp, idleTls, openStreams } from './idle.ts'
import { latency } from './latency.ts'
import { reload } from './reload.ts'
import type { Scenario } from './scenario.ts'
import { throughput } from './throughput.ts'

const workers = throughput({
  name: 'workers',
  title: 'small JSON, 1 worker and 2',
  subjects: [s.postern, s.posternWide, s.posternOne, s.posternOneWide, s.posternThree, s.posternThreeWide],
  concurrency: [64],
})

const defaults = throughput({
  name: 'defaults',
  title: 'small JSON, what the defaults cost',
  subjects: [s.nginx, s.nginxSilent, s.postern, s.posternSilent, s.posternUnprobed],
  concurrency: [64],
})

const medium = throughput({
  name: '100k',
  title: '100 KB bodies',
  subjects: [s.nginx, s.haproxy, s.caddy, s.postern],
  concurrency: [8],
  load: { path: '/100k' },
})

const connect = throughput({
  name: 'connect',
  title: 'new connection per request',
  subjects: [s.nginx, s.haproxy, s.caddy, s.postern],
  concurrency: [64],
  load: { close: true },
})

const overTls = [s.nginxTls, s.caddyTls, s.posternTls]

const tls = throughput({
  name: 'tls',
  title: 'small JSON over TLS',
  subjects: overTls,
  // The handshakes of each measurement are in its figures.
  concurrency: [16],
  load: { tls: 'full' },
})

const handshake = throughput({
  name: 'handshake',
  title: 'new TLS connection per request',
  subjects: overTls,
  concurrency: [16],
  load: { tls: 'full', close: true },
})

const resumption = throughput({
  name: 'resumption',
  title: 'new TLS connection per request, session resumed',
  subjects: overTls,
  concurrency: [16],
  load: { tls: 'resumed', close: true },
})

const overHttp2 = [s.nginxHttp2, s.nginxLuaHttp2, s.haproxyHttp2, s.caddyHttp2, s.posternHttp2, s.posternThreeHttp2]

const http2 = throughput({
  name: 'h2',
  title: 'small JSON over HTTP/2',
  subjects: overHttp2,
  missing: missingH2load,
  concurrency: [32],
  load: { streams: 1 },
})

const http2Streams = throughput({
  name: 'h2-streams',
  title: 'small JSON over HTTP/2',
  subjects: overHttp2,
  missing: missingH2load,
  concurrency: [4],
  load: { streams: 8 },
})

const grpc = throughput({
  name: 'grpc',
  title: 'calls of gRPC',
  subjects: [s.nginxGrpc, s.haproxyGrpc, s.caddyGrpc, s.posternGrpc],
  missing: () => missingH2load() ?? nginx.missing(),
  concurrency: [32],
  load: { streams: 1, path: '/bench.Bench/Ask', headers: grpcHeaders, body: grpcRequest },
})

const connectTcp = throughput({
  name: 'connect-tcp',
  title: 'new connection through the TCP relay per request',
  subjects: [s.nginxTcp, s.haproxyTcp, s.posternTcp],
  concurrency: [64],
  load: { close: true },
})

const connectProxy = throughput({
  name: 'connect-proxy',
  title: 'the same with a header of the PROXY protocol',
  subjects: [s.nginxProxied, s.haproxyProxied, s.posternProxied, s.posternUnproxied],
  concurrency: [64],
  load: { close: true, proxyHeader: true },
})

const udp = throughput({
  name: 'udp',
  title: 'datagrams and their answers (53 bytes)',
  subjects: [s.nginxUdp, s.posternUdp],
  concurrency: [64],
  load: { datagrams: true },
  per: 'datagram',
})

const passthrough = throughput({
  name: 'passthrough',
  title: 'new TLS connection per request, passed on by its server name',
  subjects: [s.nginxByName, s.haproxyByName, s.posternByName, s.posternBlind],
  concurrency: [16],
  load: { tls: 'full', close: true },
})

const routes = throughput({
  name: 'routes',
  title: 'many routes',
  subjects: [s.nginxRoutes, s.nginxManyRoutes, s.posternRoutes, s.posternManyRoutes],
  concurrency: [64],
})

/** All of them, in the order in which they run; `quick`: those that a glance has the time for, with fewer subjects. */
export function scenariosOf(quick: boolean): Scenario[] {
  return [
    throughput({
      name: 'small',
      title: 'small JSON (127 bytes)',
      subjects: [
        ...[s.nginx, s.nginxLua, s.haproxy, s.caddy, s.fastify],
        ...[s.postern, s.posternOne, s.posternThree, ...(quick ? [] : [s.posternFive])],
      ],
      concurrency: quick ? [64] : [1, 8, 64],
    }),
    ...(quick ? [] : [workers, defaults, medium]),
    throughput({
      name: '10m',
      title: '10 MB bodies',
      subjects: quick ? [s.nginx, s.postern] : [s.nginx, s.haproxy, s.caddy, s.postern],
      concurrency: [4],
      load: { path: '/10m' },
      per: 'gigabyte',
    }),
    ...(quick ? [] : [connect]),
    throughput({
      name: 'websocket',
      title: 'WebSocket echo (53 bytes)',
      subjects: [
        s.nginxSockets,
        ...(quick ? [] : [s.haproxySockets, s.caddySockets, s.fastifySockets]),
        s.posternSockets,
      ],
      concurrency: quick ? [64] : [1, 64],
      load: { echo: true },
      per: 'message',
    }),
    throughput({
      name: 'tcp',
      title: 'TCP relay, small JSON',
      subjects: [s.nginxTcp, s.haproxyTcp, s.posternTcp],
      concurrency: [64],
    }),
    tls,
    ...(quick
      ? []
      : [handshake, resumption, connectTcp, connectProxy, udp, passthrough, http2, http2Streams, grpc, routes]),
    latency,
    ...(quick ? [] : [reload]),
    idle,
    ...(quick ? [] : [idleTcp, idleTls, idleHttp2, openStreams]),
  ]
}
