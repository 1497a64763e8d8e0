import { subjects as s } from '../subject.ts'
import { idle } from './idle.ts'
import { latency } from './latency.ts'
import { reload } from './reload.ts'
import type { Scenario } from './scenario.ts'
import { throughput } from './throughput.ts'

/** All of them, in the order in which they run. */
export function scenariosOf(quick: boolean): Scenario[] {
  const http = quick ? [s.nginx, s.haproxy, s.postern] : [s.nginx, s.haproxy, s.caddy, s.postern]
  const silent = quick ? [] : [s.nginxSilent, s.posternSilent]
  const three = [s.posternThree, s.posternThreeWide]
  return [
    throughput({
      name: 'small',
      title: 'small JSON (127 bytes)',
      subjects: [
        ...[s.nginx, s.nginxLua, s.haproxy, s.caddy, s.fastify],
        ...[s.postern, s.posternOne, s.posternThree, ...silent],
      ],
      concurrency: quick ? [1, 64] : [1, 8, 64],
    }),
    throughput({
      name: 'workers',
      title: 'small JSON, 2 workers',
      subjects: quick ? three : [s.posternOne, s.posternOneWide, ...three],
      concurrency: [64],
    }),
    throughput({ name: '100k', title: '100 KB bodies', subjects: http, concurrency: [8], load: { path: '/100k' } }),
    throughput({
      name: '10m',
      title: '10 MB bodies',
      subjects: http,
      concurrency: [4],
      load: { path: '/10m' },
      per: 'gigabyte',
    }),
    throughput({
      name: 'connect',
      title: 'new connection per request',
      subjects: http,
      concurrency: [64],
      load: { close: true },
    }),
    throughput({
      name: 'tcp',
      title: 'TCP relay, small JSON',
      subjects: [s.nginxTcp, s.haproxyTcp, s.posternTcp],
      concurrency: [64],
    }),
    throughput({
      name: 'routes',
      title: 'many routes',
      subjects: [s.nginxRoutes, s.nginxManyRoutes, s.posternRoutes, s.posternManyRoutes],
      concurrency: [64],
    }),
    latency,
    ...(quick ? [] : [reload]),
    idle,
  ]
}
