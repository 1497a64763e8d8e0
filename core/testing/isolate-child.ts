import { endWithParent } from '../guard/end-with-parent.ts'
import { PluginBuildError } from '../sandbox/plugin-build-error.ts'
import type { FromChild, Question, ToChild } from './isolate-process.ts'
import { openRunner, type Runner } from './runner.ts'
import type { TestFetch, TestFetchResponse } from './stub-fetch.ts'

/** The process with the isolates of `testPlugin`. It ends with the process that has started it. */
process.on('disconnect', () => process.exit(0))
process.on('SIGINT', () => {})
endWithParent()

const runners = new Map<number, Runner>()
const fetches = new Map<number, PromiseWithResolvers<TestFetchResponse>>()
let lastFetch = 0

process.on('message', (message: ToChild) => {
  if ('question' in message) void answer(message.number, message.question)
  else if ('close' in message) {
    runners.get(message.close)?.close()
    runners.delete(message.close)
  } else {
    const { fetched, response, problem } = message
    if (response === undefined) fetches.get(fetched)?.reject(new Error(problem))
    else fetches.get(fetched)?.resolve(response)
    fetches.delete(fetched)
  }
})

async function answer(number: number, question: Question): Promise<void> {
  try {
    send({ number, value: await resultOf(number, question) })
  } catch (error) {
    const problems = error instanceof PluginBuildError ? error.problems : undefined
    send({ number, problem: error instanceof Error ? error.message : String(error), problems })
  }
}

async function resultOf(number: number, question: Question): Promise<unknown> {
  if (question.type === 'run') {
    const { plugin, hook, input, flow } = question
    return runners.get(plugin)!.run(hook, input, flow)
  }
  const runner = await openRunner(question.order, 'isolate', question.fetches ? fetchOf(number) : undefined)
  runners.set(number, runner)
  return runner.facts
}

/** Has the requests of a plugin answered by its test. */
function fetchOf(plugin: number): TestFetch {
  return (request) => {
    const fetch = ++lastFetch
    const answered = Promise.withResolvers<TestFetchResponse>()
    fetches.set(fetch, answered)
    send({ fetch, plugin, request })
    return answered.promise
  }
}

function send(message: FromChild): void {
  process.send!(message)
}
