import { X509Certificate } from 'node:crypto'
import type { ClientCertificate, Peer, TlsFacts } from '../net/peer.ts'
import type { ProxiedTls } from '../net/proxy-header.ts'
import type { ProxiedClient } from '../net/write-proxy-header.ts'

/**
 * What a backend is told of a client (PROXY protocol). Behind a proxy that named the client it is told the same, and what that
 * proxy said of TLS, unless TLS ends here.
 */
export function proxiedClientOf({ address, port, localAddress, localPort, proxied, tls }: Peer): ProxiedClient {
  return {
    source: { address, port },
    destination: proxied?.destination ?? { address: localAddress ?? '', port: localPort },
    tls: tls === undefined ? proxied?.tls : factsOf(tls),
  }
}

function factsOf({ serverName, alpn, version, cipher, client }: TlsFacts): ProxiedTls {
  return {
    serverName,
    alpn,
    version,
    cipher,
    client: client && { commonName: commonNameOf(client), verified: client.verified },
  }
}

function commonNameOf({ der }: ClientCertificate): string | undefined {
  try {
    const { CN: names } = new X509Certificate(der).toLegacyObject().subject as { CN?: string | string[] }
    return Array.isArray(names) ? names[0] : names
  } catch {
    // A client may show anything that OpenSSL takes.
    return undefined
  }
}
