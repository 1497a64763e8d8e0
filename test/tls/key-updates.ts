import { createCipheriv, createHmac } from 'node:crypto'

/** The cipher that `keyUpdates` is for. */
export const cipherOfUpdates = 'TLS_AES_128_GCM_SHA256'

/**
 * Records that change the keys of a client and ask the server to change its own (RFC 8446 §4.6.3), each with the keys of the one
 * before. They are the first that the client sends after its handshake.
 *
 * @param line the line of the key log with `CLIENT_TRAFFIC_SECRET_0`
 */
export function keyUpdates(line: string, count: number): Buffer {
  let secret: Buffer = Buffer.from(line.trim().split(' ')[2]!, 'hex')
  return Buffer.concat(
    Array.from({ length: count }, () => {
      const record = sealed(secret, Buffer.from([24, 0, 0, 1, 1, 22]))
      secret = expanded(secret, 'traffic upd', 32)
      return record
    }),
  )
}

/** The first record under a secret. @param content with its type behind it (RFC 8446 §5.2) */
function sealed(secret: Buffer, content: Buffer): Buffer {
  const header = Buffer.from([23, 3, 3, 0, content.length + 16])
  const cipher = createCipheriv('aes-128-gcm', expanded(secret, 'key', 16), expanded(secret, 'iv', 12))
  cipher.setAAD(header)
  return Buffer.concat([header, cipher.update(content), cipher.final(), cipher.getAuthTag()])
}

/** HKDF-Expand-Label without a context (RFC 8446 §7.1), of at most 32 bytes. */
function expanded(secret: Buffer, label: string, length: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`)
  const info = Buffer.concat([Buffer.from([0, length, name.length]), name, Buffer.from([0, 1])])
  return createHmac('sha256', secret).update(info).digest().subarray(0, length)
}
