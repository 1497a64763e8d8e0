import { randomBytes } from 'node:crypto'

const random = randomBytes(8).toString('hex')

/** `xxxxxxxx-xxxx-8xxx-8xxx-`: 72 random bits that identify the process. */
const process = `${random.slice(0, 8)}-${random.slice(8, 12)}-8${random.slice(12, 15)}-8${randomBytes(2).toString('hex').slice(1)}-`

/** `0000` to `ffff`. */
const digits: readonly string[] = Array.from({ length: 0x10000 }, (_, i) => i.toString(16).padStart(4, '0'))

let high = 0
let low = 0

/**
 * Identifier of a request or a connection: a UUID (RFC 9562 §5.8) made of random bits drawn once per process and a counter,
 * which takes a tenth of the time of a random UUID. It is predictable: do not use it as a secret.
 */
export function flowId(): string {
  low = (low + 1) >>> 0
  if (low === 0) high = (high + 1) & 0xffff
  return process + digits[high]! + digits[low >>> 16]! + digits[low & 0xffff]!
}
