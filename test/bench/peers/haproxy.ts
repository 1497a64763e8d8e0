import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hasCommand, versionOf } from '../installed.ts'
import type { Peer } from './peer.ts'

export const haproxy: Peer = {
  name: 'haproxy',
  missing: () => (hasCommand('haproxy') ? undefined : 'haproxy'),
  version: () => versionOf('haproxy', '-v'),
  command({ layer, accessLog, http2, grpc, passthrough, proxyProtocol }, { folder, port, stable, connections }) {
    const file = join(folder, 'haproxy.cfg')
    writeFileSync(
      file,
      `global
  nbthread 1
  maxconn ${connections + 50}
  no strict-limits
  # By default it keeps no idle connections to servers when clients use a quarter of so few descriptors.
  tune.pool-low-fd-ratio 90
  tune.pool-high-fd-ratio 95
  ${accessLog === false ? '' : 'log stdout format raw local0'}
defaults
  mode ${layer}
  log global
  option ${layer}log
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
frontend in
  bind 127.0.0.1:${port} backlog 4096${http2 || grpc ? ' proto h2' : ''}${proxyProtocol ? ' accept-proxy' : ''}
${passthrough === 'name' ? byName : '  default_backend stable'}
backend stable
  server one 127.0.0.1:${stable}${grpc ? ' proto h2' : ''}
`,
    )
    return ['haproxy', '-db', '-f', file]
  },
}

const byName = `  tcp-request inspect-delay 5s
  tcp-request content accept if { req_ssl_hello_type 1 }
  use_backend stable if { req_ssl_sni localhost }`
