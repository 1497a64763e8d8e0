import type { HookName, Layer } from '../../sdk/points.ts'
import type { BackendFacts, BodyView, FlowFacts } from '../hooks/scopes.ts'
import { Fields } from '../http/fields.ts'
import type { ClientCertificate, TlsFacts } from '../net/peer.ts'
import type { TestBackend, TestCertificate, TestFlow, TestTls } from './test-flow.ts'

/** The flow from which declared fields are read, with defaults filled in. */
export function factsOf(flow: TestFlow, hook: HookName, layer: Layer): FlowFacts {
  const { client = {}, request = {}, response = {} } = flow
  const clientIp = client.ip ?? '192.0.2.1'
  const isRequest = layer === 'L7' && hook !== 'onConnect' && hook !== 'onDisconnect' && hook !== 'checkHealth'
  const backend = flow.backend ?? (hook === 'checkHealth' ? { id: 'backend' } : undefined)
  return {
    layer,
    id: request.id ?? '0123456789abcdef',
    clientIp,
    clientPort: 'port' in client ? client.port : 50_000,
    peerIp: flow.peer?.ip ?? clientIp,
    localPort: flow.local?.port ?? 8080,
    tls: flow.tls && tlsFrom(flow.tls),
    listenerName: flow.listener ?? 'web',
    routeName: flow.route,
    upstreamName: flow.upstream,
    request: isRequest
      ? {
          id: request.id ?? '0123456789abcdef',
          method: request.method ?? 'GET',
          scheme: request.scheme ?? (flow.tls === undefined ? 'http' : 'https'),
          host: request.host ?? 'example.com',
          path: request.path ?? '/',
          query: request.query ?? '',
          full: (request.path ?? '/') + (request.query === undefined ? '' : `?${request.query}`),
          fields: fieldsFrom(request.headers),
          consumer: request.consumer,
          body: bodyFrom(request.body),
        }
      : undefined,
    response: isRequest
      ? { status: response.status ?? 200, fields: fieldsFrom(response.headers), body: bodyFrom(response.body) }
      : undefined,
    grpcStatus: isRequest ? response.grpcStatus : undefined,
    backend: backend && backendFrom(backend),
    candidates: (flow.backends ?? []).map(backendFrom),
    outcome: flow.outcome ?? '',
    ...(layer === 'L4' && trafficFrom(flow)),
    chunk: { bytes: bytesFrom(flow.chunk?.bytes), last: flow.chunk?.last ?? true },
  }
}

function trafficFrom({ traffic = {} }: TestFlow): Pick<FlowFacts, 'bytes' | 'datagrams'> {
  const { bytesIn = 0, bytesOut = 0, datagramsIn = 0, datagramsOut = 0 } = traffic
  return { bytes: { in: bytesIn, out: bytesOut }, datagrams: { in: datagramsIn, out: datagramsOut } }
}

function tlsFrom({ serverName, version = '1.3', cipher = 'TLS_AES_128_GCM_SHA256', ...given }: TestTls): TlsFacts {
  const { alpn, offered = alpn === undefined ? [] : [alpn], client } = given
  return { serverName, offered, version, cipher, alpn, resumed: false, client: client && certificateFrom(client) }
}

function certificateFrom(certificate: TestCertificate): ClientCertificate {
  const { subject = 'CN=client', issuer = 'CN=authority', serial = '01', san = [], verified = true } = certificate
  const { fingerprint = '0'.repeat(64) } = certificate
  const problem = verified ? undefined : 'unable to verify the certificate'
  return { subject, issuer, serial, san, fingerprint, verified, problem, der: Buffer.alloc(0), chain: [] }
}

function fieldsFrom(headers: Readonly<Record<string, string>> = {}): Fields {
  return new Fields(Object.entries(headers).flatMap(([name, value]) => [name.toLowerCase(), value]))
}

function bodyFrom(body: string | Uint8Array | undefined): BodyView {
  const bytes = bytesFrom(body)
  return { peek: (most) => bytes.subarray(0, most), isComplete: true }
}

function bytesFrom(body: string | Uint8Array = ''): Uint8Array {
  return typeof body === 'string' ? Buffer.from(body) : body
}

function backendFrom(backend: TestBackend): BackendFacts {
  const { id, address = `${id}:80`, weight = 1, active = 0, draining = false, labels } = backend
  return { id, address, weight, active, draining, labels: labels === undefined ? '' : JSON.stringify(labels) }
}
