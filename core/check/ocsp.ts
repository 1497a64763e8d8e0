import { elementsOf, timeOf } from './der.ts'

/** What an OCSP response says of one certificate. */
export interface OcspStatus {
  /** Serial number of the certificate: hexadecimal, in capitals, without leading zeros. */
  readonly serial: string
  readonly status: 'good' | 'revoked' | 'unknown'
  /** It holds from then on, and until then, by `Date.now`. `until`: for ever without one. */
  readonly from: number
  readonly until: number
}

const basic = Buffer.from([0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1])

/** Reads an OCSP response (RFC 6960 §4.2.1), DER, as far as it has to be known. A text says what is wrong with it. */
export function readOcsp(der: Buffer): OcspStatus | string {
  try {
    const [whole] = elementsOf(der)
    const [result, holder] = elementsOf(whole!.content)
    if (result!.content[0] !== 0 || holder === undefined) return 'the responder has not answered the question'
    const [type, octets] = elementsOf(elementsOf(holder.content)[0]!.content)
    if (!type!.content.equals(basic)) return 'it is not a basic response'
    const data = elementsOf(elementsOf(elementsOf(octets!.content)[0]!.content)[0]!.content)
    // Behind the version, the name of the responder and the time of the answer.
    const list = elementsOf(data.find(({ tag }) => tag === 0x30)!.content)
    if (list.length !== 1) return 'it is about several certificates'
    const [id, status, from, next] = elementsOf(list[0]!.content)
    return {
      serial: elementsOf(id!.content)[3]!.content.toString('hex').toUpperCase().replace(/^0+/, ''),
      status: status!.tag === 0x80 ? 'good' : status!.tag === 0xa1 ? 'revoked' : 'unknown',
      from: timeOf(from!) ?? Number.NaN,
      until: next?.tag === 0xa0 ? (timeOf(elementsOf(next.content)[0]!) ?? Number.NaN) : Number.POSITIVE_INFINITY,
    }
  } catch {
    return 'it is not an OCSP response in DER'
  }
}
