// The two messages of grpc.health.v1, in the encoding of protobuf, each behind the prefix of gRPC: a flag and four bytes of length.

const PREFIX = 5

/** The values of `HealthCheckResponse.ServingStatus`. */
const statuses = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const

/** A `HealthCheckRequest`. @param service empty: the server as a whole. At most 127 bytes */
export function encodeCheck(service: string): Buffer {
  const name = Buffer.from(service)
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, name.length]), name])
  const prefix = Buffer.alloc(PREFIX)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

/** The status in a `HealthCheckResponse`; `malformed` for bytes that are none. */
export function decodeServing(bytes: Uint8Array): (typeof statuses)[number] | 'malformed' {
  if (bytes.length < PREFIX || bytes[0] !== 0) return 'malformed'
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (view.getUint32(1) !== bytes.length - PREFIX) return 'malformed'
  // A field that has its default, 0, is left out.
  if (bytes.length === PREFIX) return 'UNKNOWN'
  const [tag, value = 0] = bytes.subarray(PREFIX)
  return tag === 0x08 && bytes.length === PREFIX + 2 ? (statuses[value] ?? 'malformed') : 'malformed'
}
