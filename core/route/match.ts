/** What a request has to be for a route to take it; a part that is left out is met by all. */
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
}
