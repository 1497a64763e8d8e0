import { expect, test } from 'vitest'
import { addClientCert, dropClientCert } from '../../core/http/client-cert.ts'
import { Fields } from '../../core/http/fields.ts'
import type { ClientCertificate } from '../../core/net/peer.ts'

const certificate = {
  ...{ subject: 'CN=a', issuer: 'CN=b', serial: '01', san: [], fingerprint: '', verified: true, problem: undefined },
  der: Buffer.from([0x30, 0xfb, 0xff]),
  chain: [Buffer.from([1, 2]), Buffer.from([3])],
} satisfies ClientCertificate

/** A byte sequence of structured fields, RFC 9651 §4.2.7, as its grammar has it: nothing but base64 between the colons. */
const byteSequence = /^:([A-Za-z0-9+/]*={0,2}):$/

test('the certificate is a byte sequence, and those above it a list of them', () => {
  const fields = new Fields(['a', '1'])
  addClientCert(fields, certificate)
  const [, leaf] = byteSequence.exec(fields.get('client-cert')!)!
  expect(Buffer.from(leaf!, 'base64')).toEqual(certificate.der)
  const chain = fields.get('client-cert-chain')!.split(', ')
  expect(chain.map((item) => Buffer.from(byteSequence.exec(item)![1]!, 'base64'))).toEqual(certificate.chain)
})

test('without certificates above it there is no chain', () => {
  const fields = new Fields()
  addClientCert(fields, { ...certificate, chain: [] })
  expect(fields.list).toEqual(['client-cert', ':MPv/:'])
})

test('a certificate that is not verified, and none, say nothing', () => {
  const fields = new Fields()
  addClientCert(fields, { ...certificate, verified: false })
  addClientCert(fields, undefined)
  expect(fields.list).toEqual([])
})

test('what others say goes', () => {
  const fields = new Fields(['client-cert', ':AA==:', 'a', '1', 'client-cert', ':AQ==:', 'client-cert-chain', ':AA==:'])
  dropClientCert(fields)
  expect(fields.list).toEqual(['a', '1'])
})
