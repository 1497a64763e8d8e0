import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hasCommand, versionOf } from '../installed.ts'
import { certificate, type Peer } from './peer.ts'

/** As shipped it writes no access log. */
export const caddy: Peer = {
  name: 'caddy',
  missing: () => (hasCommand('caddy') ? undefined : 'caddy'),
  version: () => versionOf('caddy', 'version'),
  command({ tls, http2, grpc }, { folder, port, stable }) {
    const file = join(folder, 'Caddyfile')
    writeFileSync(
      file,
      `{
  admin off
  auto_https off${http2 || grpc ? '\n  servers {\n    protocols h1 h2c\n  }' : ''}
}
${tls ? 'https' : 'http'}://127.0.0.1:${port} {
  bind 127.0.0.1
${tls ? `  tls ${certificate.cert} ${certificate.key}` : ''}
  reverse_proxy ${grpc ? 'h2c://' : ''}127.0.0.1:${stable}
}
`,
    )
    return ['caddy', 'run', '--config', file, '--adapter', 'caddyfile']
  },
}
