/** Why a grant could not do what was asked; the message reaches the plugin's code as its own `GrantError`. */
export class GrantError extends Error {
  override readonly name = 'GrantError'
}
