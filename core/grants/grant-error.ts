/** Why an operation failed. The plugin's code receives the message in a `GrantError` of its own. */
export class GrantError extends Error {
  override readonly name = 'GrantError'
}
