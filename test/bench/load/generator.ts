// A load generator as a process of its own: node generator.ts <mode> <load as JSON>; prints one line of JSON.
import { closedLoop } from './closed-loop.ts'
import { datagramLoop } from './datagram-loop.ts'
import { echoLoop } from './echo-loop.ts'
import { openIdle } from './idle.ts'
import type { Load } from './load.ts'
import { openLoop } from './open-loop.ts'

const [mode, text = '{}'] = process.argv.slice(2)
const load = JSON.parse(text) as Load & { rate: number }
const print = (result: unknown): void => void process.stdout.write(`${JSON.stringify(result)}\n`)

// Whoever started it and went away, or closes its input, has seen enough.
process.stdin.resume().on('end', () => process.exit(0))

if (mode === 'idle') {
  print(await openIdle(load))
} else {
  const generate =
    mode === 'open' ? openLoop : mode === 'echo' ? echoLoop : mode === 'datagrams' ? datagramLoop : closedLoop
  print(await generate(load))
  process.exit(0)
}
