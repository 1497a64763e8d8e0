import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../bench/ports.ts'
import { type OnFinished, startPeer } from '../../peers/peer.ts'
import { createAuthority } from '../certificates.ts'

export interface Pebble {
  readonly directory: string
  /** PEM of the authority that its own address is trusted by. */
  readonly ca: string
  /** Ports on which it looks for the names that it validates, on 127.0.0.1. */
  readonly http: number
  readonly tls: number
  readonly said: () => string
}

export interface PebbleOptions {
  /** Time that its certificates are valid, s. Default: five years. */
  readonly lifetime?: number
  /** Says when it is no longer needed. Default: when the test is over. */
  readonly onFinished?: OnFinished
}

/**
 * Runs Debian's pebble, the authority that Let's Encrypt tests ACME clients with, and the name server of its tests, for
 * which every name is 127.0.0.1. It refuses some nonces on purpose, as a client must bear.
 */
export async function startPebble({ lifetime = 157_766_400, onFinished }: PebbleOptions = {}): Promise<Pebble> {
  const [dns, management, http, tls] = await Promise.all([freePort(), freePort(), freePort(), freePort()])
  const authority = createAuthority('Pebble of a test')
  const { chain, key } = authority.issue()
  await startPeer(
    ({ port }) => [
      'pebble-challtestsrv',
      ...['-management', `127.0.0.1:${port}`, '-dns01', `127.0.0.1:${dns}`, '-defaultIPv4', '127.0.0.1'],
      ...['-defaultIPv6', '', '-http01', '', '-https01', '', '-tlsalpn01', ''],
    ],
    onFinished,
  )
  const peer = await startPeer(({ folder, port }) => {
    const file = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text)
      return join(folder, name)
    }
    const pebble = {
      listenAddress: `127.0.0.1:${port}`,
      managementListenAddress: `127.0.0.1:${management}`,
      certificate: file('cert.pem', chain),
      privateKey: file('key.pem', key),
      httpPort: http,
      tlsPort: tls,
      ocspResponderURL: '',
      externalAccountBindingRequired: false,
      certificateValidityPeriod: lifetime,
      domainBlocklist: ['blocked-domain.example'],
    }
    const config = file('pebble.json', JSON.stringify({ pebble }))
    // Without the sleep that is to make clients poll, and with each name validated anew.
    return [
      'env',
      'PEBBLE_VA_NOSLEEP=1',
      'PEBBLE_AUTHZREUSE=0',
      'pebble',
      '-config',
      config,
      '-dnsserver',
      `127.0.0.1:${dns}`,
    ]
  }, onFinished)
  return { directory: `https://127.0.0.1:${peer.port}/dir`, ca: authority.ca, http, tls, said: peer.said }
}
