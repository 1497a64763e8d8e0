import type { Cell, OpenCell } from '../sandbox/cell.ts'
import { frame } from '../sandbox/frame.ts'
import { createDispatcher } from '../sandbox/guest/dispatcher.ts'
import { Guest } from '../sandbox/guest/guest.ts'

/** Runs a plugin in this process, where a debugger and coverage see it; without limits of time and memory. */
export function processCell(plugin: object, bindings: string): OpenCell {
  return (emit): Cell => {
    const guest = new Guest(plugin, bindings, (id, record) => emit(0, id, record))
    const dispatcher = createDispatcher([guest.enter])
    return {
      cross: (steps) => ({ kind: 'done', output: dispatcher.dispatch(frame(steps)) }),
      heap: () => 0,
      dispose: () => {},
    }
  }
}
