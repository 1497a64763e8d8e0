import { once } from 'node:events'
import { flushCompileCache } from 'node:module'
import { checkConfig } from '../check/check.ts'
import { namedVariables } from '../check/named-variables.ts'
import { runtime } from '../sandbox/runtime.ts'
import type { CheckMessage } from './checker.ts'
import { packConfig } from './packed-config.ts'

/** Ctrl-C reaches every process of the terminal. Ignored here: this process exits when its supervisor does. */
process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit(0))

async function answer(): Promise<CheckMessage> {
  try {
    const file = process.argv[2] ?? 'gateway.json'
    const variables = [...namedVariables(file)]
    const asked = once(process, 'message')
    process.send!({ variables } satisfies CheckMessage)
    const [env] = (await asked) as [NodeJS.ProcessEnv]
    const result = await checkConfig(file, { env })
    return { result: result.ok ? packConfig(result) : result, runtime: runtime() }
  } catch (error) {
    return { failure: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

process.send!(await answer(), undefined, undefined, () => {
  flushCompileCache()
  process.exit(0)
})
