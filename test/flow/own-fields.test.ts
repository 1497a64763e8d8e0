import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ownFields } from '../../core/flow/own-fields.ts'
import { forwardingFields, type Hop } from '../../core/http/forwarding.ts'

// Several of these share a slot of the table.
const ip = fc.constantFrom('10.0.0.1', '20.0.0.1', '10.1.0.1', '2001:db8::1', '2001:db8::2', '', '1')
const hop: fc.Arbitrary<Hop> = fc.record({
  peerIp: ip,
  clientIp: ip,
  scheme: fc.constantFrom('http', 'https'),
  authority: fc.constantFrom('', 'a.test', 'b.test', 'a.test:81'),
  localPort: fc.constantFrom(80, 443),
})

test('the fields that the gateway adds are those of the hop, whichever hops came before', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(hop, fc.constantFrom('1.1 a', '1.0 a', '1.1 b'))), (requests) => {
      for (const [hop, via] of requests) {
        expect(ownFields(hop, via).list).toEqual([...forwardingFields(hop, undefined), 'via', via])
      }
    }),
  )
})

test('consecutive requests of a client share them', () => {
  const of = (): Hop => ({ peerIp: '10.0.0.9', clientIp: '10.0.0.9', scheme: 'http', authority: 'a', localPort: 80 })
  expect(ownFields(of(), '1.1 a')).toBe(ownFields(of(), '1.1 a'))
})
