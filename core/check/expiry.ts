/** From so long before its end on a certificate is warned of, ms. */
const announced = 14 * 24 * 3_600_000

/** What is said of a certificate that has expired, or is about to; `undefined` for any other. @param end by `Date.now` */
export function expiryOf(end: number): { readonly isOver: boolean; readonly message: string } | undefined {
  const now = Date.now()
  if (end > now + announced) return undefined
  const isOver = end < now
  return { isOver, message: `the certificate ${isOver ? 'expired' : 'expires'} on ${dayOf(end)}; renew it` }
}

/** The day of a time, in UTC: `2026-11-27`. */
export function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10)
}
