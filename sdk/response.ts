/** The head of a final response, before it goes to the client; never of a 1xx. */
export interface Response {
  /** Three digits. Scope `response.status`. */
  readonly status: number
  /** Value of a response header, `undefined` when absent. Scope `response.header:<name>` or `response.header:*`. */
  header(name: string): string | undefined
  /** Every response header as [lower-case name, value]. Scope `response.header:*`. */
  headers(): [name: string, value: string][]
  /** Replaces the header, or adds it. Write scope `response.header:<name>`. */
  setHeader(name: string, value: string): void
  /** Adds a line and keeps those of the same name: for `set-cookie`. Write scope `response.header:<name>`. */
  appendHeader(name: string, value: string): void
  /** Removes every line of that name. Write scope `response.header:<name>`. */
  removeHeader(name: string): void
}
