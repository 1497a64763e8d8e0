/** The requests that a route matches, or on L4 the connections. Each of them meets a part that is left out. */
export interface MatchConfig {
  /** Exact (`api.example.com`) or wildcard (`*.example.com`), in lower case; IPv6 in brackets. */
  readonly host?: string
  /** Exact (`/orders`) or prefix (`/orders/*`). */
  readonly path?: string
  readonly methods?: readonly string[]
  /** Lower-case name → exact value; `*` means present. */
  readonly headers?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string>>
  readonly cookies?: Readonly<Record<string, string>>
  // Of L4:
  /** Exact (`db.example.com`) or wildcard (`*.example.com`), in lower case: the name in the client's ClientHello. */
  readonly serverName?: string
  /** Protocols of ALPN, of which the client offers at least one. */
  readonly alpn?: readonly string[]
  /** CIDR ranges and addresses of clients. */
  readonly source?: readonly string[]
}
