import { receivedAlert } from '../net/tls-alert.ts'

/** Alerts of TLS (RFC 8446 §6) that the gateway sends itself, before OpenSSL is involved. */
const numbers = {
  unexpected_message: 10,
  record_overflow: 22,
  illegal_parameter: 47,
  access_denied: 49,
  decode_error: 50,
  internal_error: 80,
  unrecognized_name: 112,
  no_application_protocol: 120,
} as const

export type OwnAlert = keyof typeof numbers

/** A record with a fatal alert, as it is sent before anything is encrypted. */
export function alertRecord(alert: OwnAlert): Buffer {
  return Buffer.from([21, 3, 3, 0, 2, 2, numbers[alert]])
}

/** Why a handshake failed, as far as OpenSSL says it. */
export interface AlertFacts {
  /** Name of the alert; `undefined`: none, or it is not known. */
  readonly alert: string | undefined
  /** Whether the client sent it. */
  readonly isReceived: boolean
}

/** The alerts that OpenSSL sends for these reasons. */
const sent: Readonly<Record<string, string>> = {
  NO_SHARED_CIPHER: 'handshake_failure',
  NO_SHARED_GROUP: 'handshake_failure',
  NO_SUITABLE_KEY_SHARE: 'handshake_failure',
  NO_SUITABLE_SIGNATURE_ALGORITHM: 'handshake_failure',
  NO_SHARED_SIGNATURE_ALGORITHMS: 'handshake_failure',
  UNSUPPORTED_PROTOCOL: 'protocol_version',
  VERSION_TOO_LOW: 'protocol_version',
  WRONG_VERSION_NUMBER: 'protocol_version',
  INAPPROPRIATE_FALLBACK: 'inappropriate_fallback',
  NO_APPLICATION_PROTOCOL: 'no_application_protocol',
  PEER_DID_NOT_RETURN_A_CERTIFICATE: 'certificate_required',
  DECRYPTION_FAILED_OR_BAD_RECORD_MAC: 'bad_record_mac',
  BAD_RECORD_TYPE: 'unexpected_message',
  UNEXPECTED_MESSAGE: 'unexpected_message',
  NOT_ON_RECORD_BOUNDARY: 'unexpected_message',
  BAD_SIGNATURE: 'decrypt_error',
  DIGEST_CHECK_FAILED: 'decrypt_error',
  LENGTH_MISMATCH: 'decode_error',
  BAD_EXTENSION: 'decode_error',
  PACKET_LENGTH_TOO_LONG: 'record_overflow',
  ENCRYPTED_LENGTH_TOO_LONG: 'record_overflow',
  DATA_LENGTH_TOO_LONG: 'record_overflow',
  UNEXPECTED_CCS_MESSAGE: 'unexpected_message',
  TOO_MANY_WARN_ALERTS: 'unexpected_message',
  UNEXPECTED_RECORD: 'unexpected_message',
  BAD_CHANGE_CIPHER_SPEC: 'unexpected_message',
  CCS_RECEIVED_EARLY: 'unexpected_message',
  INVALID_ALERT: 'unexpected_message',
  CIPHER_OPERATION_FAILED: 'bad_record_mac',
  BINDER_DOES_NOT_VERIFY: 'decrypt_error',
  BAD_KEY_SHARE: 'illegal_parameter',
  INVALID_KEY: 'illegal_parameter',
  EXCESSIVE_MESSAGE_SIZE: 'illegal_parameter',
  ERROR_IN_RECEIVED_CIPHER_LIST: 'decode_error',
  RENEGOTIATION_ENCODING_ERR: 'decode_error',
  MISSING_PSK_KEX_MODES_EXTENSION: 'missing_extension',
  MISSING_SIGALGS_EXTENSION: 'missing_extension',
  MISSING_SUPPORTED_GROUPS_EXTENSION: 'missing_extension',
}

/** @param cause as a socket of node tells it */
export function alertOf(cause: NodeJS.ErrnoException): AlertFacts {
  const received = receivedAlert(cause)
  if (received !== undefined) return { alert: received, isReceived: true }
  const reason = /^ERR_SSL_(.+)$/.exec(cause.code ?? '')?.[1]
  const alert = reason !== undefined && Object.hasOwn(sent, reason) ? sent[reason] : undefined
  return { alert, isReceived: false }
}
