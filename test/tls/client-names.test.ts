import { X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { distinguishedName } from '../../core/tls/tls-facts.ts'
import { describeWith } from '../peers/needs.ts'
import { startNginx } from '../peers/nginx.ts'
import { temporaryFolder } from '../peers/peer.ts'
import { createAuthority, type Subject } from './certificates.ts'
import { request } from './client.ts'

const authority = createAuthority('root, "Example" + more')
const web = authority.issue()

const subjects: readonly Subject[] = [
  [
    ['C', 'DE'],
    ['O', 'Example, Inc.'],
    ['OU', 'a+b'],
    ['CN', 'alice'],
  ],
  [['CN', ' "a" \\ <b>; = #']],
  [['CN', '#a ']],
  [['CN', 'a\nCN=root']],
  [['CN', 'a\0b\x7f']],
  [['CN', 'Zoë 名 😀']],
  [['1.2.840.113549.1.9.1', 'a@b.example']],
  [['CN', 'x'.repeat(4_000)]],
]

describeWith(['nginx'], 'the names of a certificate', () => {
  test('are those that nginx tells, but that letters beyond ASCII are not escaped', async () => {
    const folder = temporaryFolder()
    const [cert, key] = [join(folder, 'web.pem'), join(folder, 'web.key')]
    writeFileSync(cert, web.chain)
    writeFileSync(key, web.key)
    const server = `
      ssl_certificate ${cert}; ssl_certificate_key ${key}; ssl_verify_client optional_no_ca;
      location / { return 200 "$ssl_client_s_dn\t$ssl_client_i_dn\t$ssl_client_serial"; }`
    const { port } = await startNginx(server, '', 'ssl')
    for (const subject of subjects) {
      const client = authority.issue({ subject, names: [], usage: 'client' })
      const answer = await request(port, { ca: authority.ca, cert: client.chain, key: client.key })
      const x509 = new X509Certificate(client.cert)
      const ours = [distinguishedName(x509.subject), distinguishedName(x509.issuer), x509.serialNumber]
      expect(ours.map(escaped)).toEqual(answer.slice(answer.indexOf('\r\n\r\n') + 4).split('\t'))
    }
  })
})

/** As `openssl x509 -nameopt RFC2253`, which nginx shows, has it. */
function escaped(text: string): string {
  return [...Buffer.from(text)]
    .map((byte) => (byte < 0x80 ? String.fromCharCode(byte) : `\\${byte.toString(16).toUpperCase()}`))
    .join('')
}
