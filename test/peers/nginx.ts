import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Peer, startPeer } from './peer.ts'

/**
 * Starts nginx with one server.
 *
 * @param server what stands in its `server` block besides `listen`
 * @param http what stands before it in the `http` block
 * @param listen what stands behind the address in `listen`: `ssl`
 */
export function startNginx(server: string, http = '', listen = ''): Promise<Peer> {
  return startPeer(({ folder, port }) => {
    const file = join(folder, 'nginx.conf')
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${folder}/${name};`)
      .join(' ')
    // Started by root it would give up the right to read the folder.
    const user = process.getuid?.() === 0 ? 'user root;' : ''
    writeFileSync(
      file,
      `daemon off; master_process off; ${user}
pid ${folder}/nginx.pid;
error_log stderr warn;
events { worker_connections 256; }
http {
  access_log off; ${temporary}
  default_type application/octet-stream;
  ${http}
  server {
    listen 127.0.0.1:${port} ${listen};
    ${server}
  }
}`,
    )
    return ['nginx', '-p', folder, '-e', 'stderr', '-c', file]
  })
}

/** A `server` block that passes everything on to a port, with connections kept on both sides. */
export function nginxProxyTo(port: number): [server: string, http: string] {
  const pass = `proxy_pass http://next; proxy_http_version 1.1;
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;`
  const server = `
    client_max_body_size 0;
    location / { ${pass} proxy_set_header Connection ""; }
    location /stream/ { ${pass} proxy_set_header Connection ""; proxy_buffering off; proxy_request_buffering off; }
    location /socket { ${pass} proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }`
  return [server, `upstream next { server 127.0.0.1:${port}; keepalive 16; }`]
}
