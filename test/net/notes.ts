import type { ByteReceiver } from '../../core/net/byte-stream.ts'

/** Notes all that a stream tells it. */
export class Notes implements ByteReceiver {
  readonly events: string[] = []
  text = ''
  readonly #onText: (text: string) => void

  constructor(onText: (text: string) => void = () => {}) {
    this.#onText = onText
  }

  onBytes(bytes: Buffer): boolean {
    const text = bytes.toString('latin1')
    this.text += text
    this.#onText(text)
    return true
  }
  onEnd(): void {
    this.events.push('end')
  }
  onDrain(): void {
    this.events.push('drain')
  }
  onError(cause: NodeJS.ErrnoException): void {
    const { code, syscall, message } = cause
    this.events.push(syscall === undefined ? (code ?? message) : `${syscall} ${code}`)
  }
  onClose(): void {
    this.events.push('close')
  }
}
