import type { ExchangeOwner } from '../../core/http/exchange.ts'

/** An owner that does nothing but what the test gives it. */
export function idleOwner(methods: Partial<ExchangeOwner> = {}): ExchangeOwner {
  const nothing = (): void => {}
  return {
    onBody: nothing,
    onBodyEnd: nothing,
    onWritable: nothing,
    onSent: nothing,
    onGone: nothing,
    ...methods,
  }
}
