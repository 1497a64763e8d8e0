/** The requests that a route matches. Every request meets a part that is left out. */
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
