import { once } from 'node:events'
import { flushCompileCache } from 'node:module'
import { checkConfig } from '../check/check.ts'
import { namedVariables } from '../check/named-variables.ts'
import { endWithParent } from '../guard/end-with-parent.ts'
import { adoptRuntime, runtime } from '../sandbox/runtime.ts'
import type { CheckAnswer, CheckMessage } from './checker.ts'
import { beChild } from './child.ts'
import { packConfig } from './packed-config.ts'

const [, , file = 'gateway.json', folder] = process.argv
beChild(`check ${file}`, folder, async () => {})
endWithParent(folder)

async function answer(): Promise<CheckMessage> {
  try {
    const variables = [...namedVariables(file)]
    const asked = once(process, 'message')
    process.send!({ variables } satisfies CheckMessage)
    const [answer] = (await asked) as [CheckAnswer]
    if (answer.runtime !== undefined) adoptRuntime(answer.runtime)
    const result = await checkConfig(file, answer)
    return { result: result.ok ? packConfig(result) : result, runtime: runtime() }
  } catch (error) {
    return { failure: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

process.send!(await answer(), undefined, undefined, (error) => {
  // Without its supervisor this process is about to end, and must write nothing more.
  if (error !== null) return
  flushCompileCache()
  process.exit(0)
})
