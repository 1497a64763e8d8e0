import { bounds } from '../bounds.ts'
import { op } from '../wire.ts'
import type { GuestCall } from './call.ts'
import { text } from './text.ts'

/** What `request.state = …` and `connection.state = …` do. */
export function writeState(call: GuestCall, value: string | undefined): void {
  if (value !== undefined && text('state', value).length > bounds.state) {
    throw new RangeError(`state holds ${bounds.state} characters at most, not ${value.length}`)
  }
  call.write(op.state, value)
}
