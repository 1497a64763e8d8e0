import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { isIP } from 'node:net'
import { bits, boolean, element, integer, nothing, octets, oid, sequence, set, tagged, text, time } from './der.ts'

/** A certificate with its key. */
export interface Issued {
  /** PEM: this certificate alone. */
  readonly cert: string
  /** PEM: this certificate, then those of the intermediate authorities, without the root. */
  readonly chain: string
  /** PEM (PKCS #8). */
  readonly key: string
  readonly privateKey: KeyObject
  readonly der: Buffer
  readonly serial: bigint
  /** As a server sends it and a client verifies it; `ca` is the root. */
  readonly ca: string
}

export interface Authority extends Issued {
  /** Issues the certificate of a server or a client. */
  issue(options?: LeafOptions): Issued
  /** An authority whose certificate this one has issued. */
  intermediate(name?: string, options?: Validity): Authority
  /** PEM of a revocation list. */
  crl(revoked?: readonly Issued[], options?: { readonly thisUpdate?: Date; readonly nextUpdate?: Date }): string
}

interface Validity {
  /** Default: a day ago. */
  readonly from?: Date
  /** Default: in 90 days. */
  readonly to?: Date
}

/** Attributes of a name in their order: `[['CN', 'app'], ['O', 'Example']]`. A type may be an OID. */
export type Subject = readonly (readonly [type: string, value: string])[]

export interface LeafOptions extends Validity {
  /** DNS names and IP addresses of the SAN. Default: `localhost` and `127.0.0.1`; `[]`: no SAN. */
  readonly names?: readonly string[]
  /** Further entries of the SAN, for hostile ones: DER of a GeneralName. */
  readonly otherNames?: readonly Uint8Array[]
  /** Default: CN, the first of `names`. */
  readonly subject?: Subject
  readonly key?: 'ec' | 'rsa' | KeyObject
  /** Default: `both`. */
  readonly usage?: 'server' | 'client' | 'both'
  readonly serial?: bigint
  /** Further extensions, DER of each. */
  readonly extensions?: readonly Uint8Array[]
}

const day = 86_400_000

/** A root authority, made in this process in a millisecond. */
export function createAuthority(name: string = 'Test CA', options: Validity = {}): Authority {
  return authorityOf([['CN', name]], undefined, options)
}

/** A certificate that its own key has signed. */
export function selfSigned(options: LeafOptions = {}): Issued {
  return leafOf(options, undefined)
}

/** One extension, for `LeafOptions.extensions`. */
export function extension(id: string, value: Uint8Array, critical: boolean = false): Buffer {
  return critical ? sequence(oid(id), boolean(true), octets(value)) : sequence(oid(id), octets(value))
}

interface Issuer {
  readonly subject: Subject
  readonly privateKey: KeyObject
  /** PEM of the authorities below the root. */
  readonly chain: string
  readonly ca: string
}

let rsa: KeyObject | undefined

/** Keys of RSA take 100 ms, so all that do not bring their own share one. */
function keyOf(kind: LeafOptions['key'] = 'ec'): KeyObject {
  if (typeof kind !== 'string') return kind
  if (kind === 'ec') return generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey
  rsa ??= generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  return rsa
}

function authorityOf(subject: Subject, issuer: Issuer | undefined, validity: Validity): Authority {
  const privateKey = keyOf()
  const extensions = [
    extension('2.5.29.19', sequence(boolean(true)), true),
    // keyCertSign, cRLSign
    extension('2.5.29.15', bits(Buffer.from([0b0000_0110]), 1), true),
  ]
  const issued = certificate({ subject, privateKey, issuer, extensions, ...validity })
  // A root is never part of a chain.
  const self = { subject, privateKey, chain: issuer === undefined ? '' : issued.chain, ca: issued.ca }
  return {
    ...issued,
    issue: (options = {}) => leafOf(options, self),
    intermediate: (name = 'Test intermediate CA', options = {}) => authorityOf([['CN', name]], self, options),
    crl: (revoked = [], { thisUpdate, nextUpdate } = {}) => {
      const entries = revoked.map(({ serial }) => sequence(integer(serial), time(new Date(Date.now() - day))))
      const list = sequence(
        integer(1n),
        algorithmOf(privateKey),
        nameOf(subject),
        time(thisUpdate ?? new Date(Date.now() - day)),
        time(nextUpdate ?? new Date(Date.now() + 90 * day)),
        ...(entries.length === 0 ? [] : [sequence(...entries)]),
        tagged(0, sequence(authorityKey(privateKey), extension('2.5.29.20', integer(1n)))),
      )
      return pem('X509 CRL', signed(list, privateKey))
    },
  }
}

const usages = { server: ['1.3.6.1.5.5.7.3.1'], client: ['1.3.6.1.5.5.7.3.2'] }

function leafOf(options: LeafOptions, issuer: Issuer | undefined): Issued {
  const { names = ['localhost', '127.0.0.1'], otherNames = [], usage = 'both', serial } = options
  const subject = options.subject ?? (names.length === 0 ? [] : [['CN', names[0]!] as const])
  const purposes = usage === 'both' ? [...usages.server, ...usages.client] : usages[usage]
  const alternatives = [...names.map(generalName), ...otherNames]
  const extensions = [
    extension('2.5.29.19', sequence(), true),
    extension('2.5.29.37', sequence(...purposes.map(oid))),
    ...(alternatives.length === 0 ? [] : [extension('2.5.29.17', sequence(...alternatives))]),
    ...(options.extensions ?? []),
  ]
  const privateKey = keyOf(options.key)
  const { from, to } = options
  return certificate({
    subject,
    privateKey,
    issuer,
    extensions,
    ...(from && { from }),
    ...(to && { to }),
    ...(serial !== undefined && { serial }),
  })
}

interface Plan extends Validity {
  readonly subject: Subject
  readonly privateKey: KeyObject
  readonly issuer: Issuer | undefined
  readonly extensions: readonly Uint8Array[]
  readonly serial?: bigint
}

function certificate(plan: Plan): Issued {
  const { subject, privateKey, issuer, from, to } = plan
  const signer = issuer ?? { subject, privateKey, chain: '', ca: undefined }
  const serial = plan.serial ?? randomBytes(15).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n) | 1n
  const der = signed(
    sequence(
      tagged(0, integer(2n)),
      integer(serial),
      algorithmOf(signer.privateKey),
      nameOf(signer.subject),
      sequence(time(from ?? new Date(Date.now() - day)), time(to ?? new Date(Date.now() + 90 * day))),
      nameOf(subject),
      spkiOf(privateKey),
      tagged(
        3,
        sequence(
          extension('2.5.29.14', octets(keyId(privateKey))),
          authorityKey(signer.privateKey),
          ...plan.extensions,
        ),
      ),
    ),
    signer.privateKey,
  )
  const cert = pem('CERTIFICATE', der)
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  return { cert, chain: cert + signer.chain, key, privateKey, der, serial, ca: signer.ca ?? cert }
}

function signed(content: Buffer, key: KeyObject): Buffer {
  return sequence(content, algorithmOf(key), bits(sign('sha256', content, key)))
}

function algorithmOf(key: KeyObject): Buffer {
  if (key.asymmetricKeyType === 'rsa') return sequence(oid('1.2.840.113549.1.1.11'), nothing())
  return sequence(oid('1.2.840.10045.4.3.2'))
}

function authorityKey(key: KeyObject): Buffer {
  return extension('2.5.29.35', sequence(element(0x80, keyId(key))))
}

function spkiOf(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: 'spki', format: 'der' })
}

function keyId(key: KeyObject): Buffer {
  return createHash('sha1').update(spkiOf(key)).digest()
}

const types: Readonly<Record<string, string>> = {
  CN: '2.5.4.3',
  C: '2.5.4.6',
  L: '2.5.4.7',
  ST: '2.5.4.8',
  O: '2.5.4.10',
  OU: '2.5.4.11',
}

function nameOf(subject: Subject): Buffer {
  return sequence(...subject.map(([type, value]) => set(sequence(oid(types[type] ?? type), text(value)))))
}

/** A DNS name, an IP address, or an entry with its kind in front: `email:`, `URI:`. */
function generalName(name: string): Buffer {
  const [, kind, rest] = /^(email|URI):(.*)$/s.exec(name) ?? []
  if (kind !== undefined) return element(kind === 'email' ? 0x81 : 0x86, Buffer.from(rest!, 'latin1'))
  if (isIP(name) === 0) return element(0x82, Buffer.from(name, 'latin1'))
  return element(0x87, isIP(name) === 4 ? Buffer.from(name.split('.').map(Number)) : ipv6(name))
}

function ipv6(address: string): Buffer {
  const [head = '', tail] = address.split('::')
  const words = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16))
  const [first, last] = [words(head), words(tail ?? '')]
  const all = [...first, ...Array.from<number>({ length: 8 - first.length - last.length }).fill(0), ...last]
  return Buffer.from(all.flatMap((word) => [word >> 8, word & 0xff]))
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}
