import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hasCommand, versionOf } from '../installed.ts'
import { lua, luaHttp } from './nginx-lua.ts'
import { certificate, type Peer, type Site, type Work } from './peer.ts'

/** Where Debian and its relatives keep what nginx loads at run time. */
const modules = '/usr/lib/nginx/modules'

/** nginx passes an upgrade on when it is told to. */
const upgrade = 'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";'

export const nginx: Peer = {
  name: 'nginx',
  missing: () => (hasCommand('nginx') ? undefined : 'nginx'),
  version: () => versionOf('nginx', '-v'),
  command: (work, site) => nginxCommand(site.folder, configOf(work, site)),
}

/** The same with Lua, which does what the plugins do. */
export const nginxLua: Peer = {
  ...nginx,
  name: 'nginx+lua',
  missing: () => nginx.missing() ?? missingModule('ngx_http_lua_module.so', 'libnginx-mod-http-lua'),
}

/** nginx relaying TCP. */
export const nginxStream: Peer = {
  ...nginx,
  name: 'nginx stream',
  missing: () => nginx.missing() ?? missingModule('ngx_stream_module.so', 'libnginx-mod-stream'),
}

/** Writes a configuration and says how to run it. */
export function nginxCommand(folder: string, config: string): string[] {
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, config)
  return ['nginx', '-p', folder, '-e', 'stderr', '-c', file]
}

/** What stands before and in the `http` block of every configuration. */
export function nginxMain(folder: string, connections: number): string {
  // Started by root it would give up the right to read the folder.
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  return `
daemon off; ${user}
worker_processes 1;
worker_rlimit_nofile ${connections * 2 + 200};
pid ${folder}/nginx.pid;
events { worker_connections ${connections * 2 + 200}; }`
}

export function nginxTemporary(folder: string): string {
  return ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `  ${name}_temp_path ${folder}/${name};`)
    .join('\n')
}

function configOf(work: Work, site: Site): string {
  const { folder, port, stable, beta, connections } = site
  if (work.layer !== 'http') {
    // It keeps a session of datagrams for 10 minutes, and each measurement comes from other ports.
    const sockets = work.layer === 'udp' ? connections * 50 : connections
    return `load_module ${modules}/ngx_stream_module.so;${nginxMain(folder, sockets)}
stream { ${work.passthrough === 'name' ? byName(port, stable) : `server { listen 127.0.0.1:${port}${work.layer === 'udp' ? ' udp' : ''}${work.proxyProtocol ? ' proxy_protocol' : ''}; proxy_pass 127.0.0.1:${stable}; }`} }`
  }
  const withLua = work.plugins > 0
  const load = withLua ? lua.modules.map((name) => `load_module ${modules}/${name};`).join('\n') : ''
  const proxy = `proxy_pass http://${withLua ? '$upstream' : 'stable'};
      proxy_http_version 1.1; proxy_set_header Host $http_host;
      ${work.webSockets ? upgrade : 'proxy_set_header Connection "";'}
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;`
  const toGrpc = `grpc_pass grpc://stable; grpc_read_timeout 1h; client_max_body_size 0;`
  const exact = Array.from({ length: work.routes ?? 0 }, (_, i) => `    location = /r/${i} { ${proxy} }\n`).join('')
  return `${load}${nginxMain(folder, connections)}
http {
  access_log ${work.accessLog === false ? 'off' : `${folder}/access.log`};
  sendfile on; tcp_nopush on; types_hash_max_size 2048;
  # As the default, a fast backend's bulk would go by way of a file.
  proxy_max_temp_file_size 0;
  # As the default, a connection of HTTP/2 ends after 1,000 requests, which h2load counts as failures.
  ${work.http2 || work.grpc ? 'keepalive_requests 1000000000;' : ''}
${nginxTemporary(folder)}
${withLua ? luaHttp : ''}
  upstream stable { server 127.0.0.1:${stable}; keepalive 128; }
  upstream beta { server 127.0.0.1:${beta}; keepalive 128; }
  server {
    listen 127.0.0.1:${port} ${work.tls ? 'ssl ' : ''}${work.http2 || work.grpc ? 'http2 ' : ''}backlog=4096;
${work.tls ? `    ssl_certificate ${certificate.cert}; ssl_certificate_key ${certificate.key}; ssl_protocols TLSv1.2 TLSv1.3;` : ''}
${work.routes === undefined ? `    location / { ${withLua ? lua.location : ''} ${work.grpc ? toGrpc : proxy} }` : exact}
  }
}`
}

function byName(port: number, stable: number): string {
  return `map $ssl_preread_server_name $to { localhost 127.0.0.1:${stable}; }
  server { listen 127.0.0.1:${port} backlog=4096; ssl_preread on; proxy_pass $to; }`
}

function missingModule(file: string, name: string): string | undefined {
  return existsSync(join(modules, file)) ? undefined : name
}
