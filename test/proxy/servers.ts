import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Peer, startPeer } from '../peers/peer.ts'

const user = process.getuid?.() === 0 ? 'user root;' : ''

/** What a backend was told: client, its port, where it connected to, that port. */
const nginxTold = '$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port'

/** nginx that says what the header of a connection names: over HTTP, and at `tcpPort` to everyone who connects. */
export function startNginxBehind(tcpPort: number): Promise<Peer> {
  return startPeer(({ folder, port }) => {
    const http = `http { access_log off; client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder};
  uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  server { listen 127.0.0.1:${port} proxy_protocol; return 200 "${nginxTold}"; } }`
    const stream = `stream { server { listen 127.0.0.1:${tcpPort} proxy_protocol; return "${nginxTold}"; } }`
    return nginx(folder, `${http}\n${stream}`)
  })
}

/** nginx that forwards connections, and names the client (version 1). */
export function startNginxInFront(to: number): Promise<Peer> {
  return startPeer(({ folder, port }) => {
    const server = `listen 127.0.0.1:${port}; proxy_pass 127.0.0.1:${to}; proxy_protocol on;`
    return nginx(folder, `stream { server { ${server} } }`)
  })
}

function nginx(folder: string, blocks: string): readonly string[] {
  const file = join(folder, 'nginx.conf')
  writeFileSync(
    file,
    `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; master_process off; ${user}
pid ${folder}/nginx.pid;
error_log stderr warn;
events { worker_connections 256; }
${blocks}`,
  )
  return ['nginx', '-p', folder, '-e', 'stderr', '-c', file]
}

const defaults = `global
  nbthread 1
  maxconn 256
  no strict-limits
defaults
  timeout connect 5s
  timeout client 20s
  timeout server 20s
`

/** HAProxy that takes connections with a header, and says what it names. */
export function startHaproxyBehind(): Promise<Peer> {
  return startPeer(({ folder, port }) => {
    const told = '%[src] %[src_port] %[dst] %[dst_port] %[fc_pp_authority]'
    return haproxy(
      folder,
      `frontend in
  mode http
  bind 127.0.0.1:${port} accept-proxy
  http-request return status 200 content-type text/plain lf-string "${told}"
`,
    )
  })
}

/** A port of HAProxy, and what follows `bind` and `server`. */
export interface Front {
  readonly port: number
  readonly to: number
  readonly bind?: string
  readonly server: string
}

/** HAProxy that forwards connections and names the client. The first front is at the port of the peer. */
export function startHaproxyInFront(first: Omit<Front, 'port'>, others: readonly Front[]): Promise<Peer> {
  return startPeer(({ folder, port }) => {
    const lines = [{ ...first, port }, ...others].map(
      ({ port: own, to, bind = '', server }) => `listen at${own}
  mode tcp
  bind 127.0.0.1:${own} ${bind}
  server one 127.0.0.1:${to} ${server}
`,
    )
    return haproxy(folder, lines.join(''))
  })
}

function haproxy(folder: string, sections: string): readonly string[] {
  const file = join(folder, 'haproxy.cfg')
  writeFileSync(file, `${defaults}${sections}`)
  return ['haproxy', '-db', '-f', file]
}
