import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Peer, startPeer } from './peer.ts'

/**
 * Starts HAProxy in front of a port, with connections kept and shared on both sides.
 *
 * @param rules lines of its `frontend`
 * @param probes whether it checks the port, 10 times a second, and takes it for down after the first failure
 * @param bind what stands behind the address in `bind`: `ssl crt …`
 * @param server what stands behind the address in `server`: `ssl verify required …`
 */
export function startHaproxy(
  to: number,
  rules: readonly string[] = [],
  probes: boolean = false,
  bind: string = '',
  server: string = '',
): Promise<Peer> {
  return startPeer(({ folder, port }) => {
    const file = join(folder, 'haproxy.cfg')
    writeFileSync(
      file,
      `global
  nbthread 1
  maxconn 256
  no strict-limits
defaults
  mode http
  option forwardfor
  http-reuse always
  retries 0
  timeout connect 5s
  timeout client 20s
  timeout server 20s
  timeout tunnel 20s
frontend in
  bind 127.0.0.1:${port} ${bind}
${rules.map((rule) => `  ${rule}\n`).join('')}  default_backend next
backend next
${probes ? '  option httpchk\n' : ''}  server one 127.0.0.1:${to} ${server}${probes ? ' check inter 100 fall 1' : ''}
`,
    )
    return ['haproxy', '-db', '-f', file]
  })
}
