import type { TlsClientTrigger, TlsTrigger } from '../../sdk/when.ts'
import { type Format, formats } from './formats.ts'

/** The entries of a part of a trigger, each once; what is wrong with them is reported. */
export type CheckedEntries = (part: string, list: readonly string[], format: Format) => readonly string[]

/** Brings the `tls` of a trigger to the spelling of the facts. */
export function normalizeTls(
  { client, ...lists }: TlsTrigger,
  checked: CheckedEntries,
  report: (problem: string) => void,
): TlsTrigger {
  if (client === undefined && Object.keys(lists).length === 0)
    report('a trigger without effect: when.tls is empty; leave it out')
  const { serverName, version, cipher, alpn } = lists
  return {
    ...(serverName && {
      serverName: checked('tls.serverName', serverName, formats['host-match']!).map((name) => name.toLowerCase()),
    }),
    ...(version && { version: checked('tls.version', version, tlsVersion) as TlsTrigger['version'] }),
    ...(cipher && { cipher: checked('tls.cipher', cipher, anyText) }),
    ...(alpn && { alpn: checked('tls.alpn', alpn, anyText) }),
    ...(client && { client: normalizeTlsClient(client, checked, report) }),
  }
}

function normalizeTlsClient(
  trigger: TlsClientTrigger,
  checked: CheckedEntries,
  report: (problem: string) => void,
): TlsClientTrigger {
  if (Object.keys(trigger).length === 0)
    report('a trigger without effect: when.tls.client is empty; write verified: true')
  const { verified, subject, issuer, serial, san, fingerprint } = trigger
  return {
    ...(verified !== undefined && { verified }),
    ...(subject && { subject: checked('tls.client.subject', subject, anyText) }),
    ...(issuer && { issuer: checked('tls.client.issuer', issuer, anyText) }),
    ...(serial && {
      serial: checked('tls.client.serial', serial, hexadecimal).map((text) => inBytes(text).toUpperCase()),
    }),
    ...(san && { san: checked('tls.client.san', san, alternativeName) }),
    ...(fingerprint && {
      fingerprint: checked('tls.client.fingerprint', fingerprint, sha256).map((text) => plainHex(text).toLowerCase()),
    }),
  }
}

function plainHex(text: string): string {
  return text.replaceAll(':', '')
}

/** A number as certificates spell it: in whole bytes, none of them 0 at the start. */
function inBytes(text: string): string {
  const digits = plainHex(text).replace(/^0+(?=.)/, '')
  return digits.length % 2 === 0 ? digits : `0${digits}`
}

const anyText: Format = { expected: 'a text', problem: (text) => (text === '' ? 'an entry is empty' : undefined) }

const tlsVersion: Format = {
  expected: '"1.2" or "1.3"',
  problem: (text) =>
    text === '1.2' || text === '1.3'
      ? undefined
      : `${JSON.stringify(text)} is not a version of TLS; write "1.2" or "1.3"`,
}

const hexadecimal: Format = {
  expected: 'a hexadecimal number',
  problem: (text) =>
    /^[\da-f]+(?::[\da-f]+)*$/i.test(text) ? undefined : `${JSON.stringify(text)} is not a hexadecimal number`,
}

const sha256: Format = {
  expected: 'a SHA-256 fingerprint',
  problem: (text) =>
    /^[\da-f]{64}$/i.test(plainHex(text))
      ? undefined
      : `${JSON.stringify(text)} is not a SHA-256 fingerprint; write 64 hexadecimal digits`,
}

const alternativeName: Format = {
  expected: 'an alternative name such as "DNS:a.example"',
  problem: (text) =>
    /^\w[\w ]*:./s.test(text)
      ? undefined
      : `${JSON.stringify(text)} is not an alternative name; write its kind first: "DNS:a.example", "URI:spiffe://example/a", "email:a@b.example", "IP:192.0.2.1"`,
}
