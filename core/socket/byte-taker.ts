/** Who takes what arrives on a socket. */
export interface ByteTaker {
  /**
   * @param borrowed whether the bytes are others' when this returns, so that what is to stay has to be copied
   * @returns whether nobody looks at the bytes any more. Only then is memory read into again that was not borrowed.
   */
  onBytes(bytes: Buffer, borrowed: boolean): boolean
}
