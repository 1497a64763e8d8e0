/** Who opened the connection or sent the request. Needs the scopes `client.ip`, `client.port`. */
export interface Client {
  /** IPv4 or IPv6 address in canonical text form; an IPv4 client on a dual-stack socket reads as plain IPv4. */
  readonly ip: string
  /** TCP port; `undefined` when a trusted proxy stands between, since its header does not carry one. */
  readonly port: number | undefined
}
