/** Who takes what arrives on a socket. */
export interface ByteTaker {
  /** @param borrowed whether the bytes are others' when this returns, so that what is to stay has to be copied */
  onBytes(bytes: Buffer, borrowed: boolean): void
}
