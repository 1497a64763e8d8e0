import { expect, test } from 'vitest'
import { checkTypes } from './check-types.ts'

/** Statements of an `onRequest`, and what the checker must say of each. */
const mistakes: readonly [statement: string, message: string][] = [
  [`request.path.startsWith('/a')`, `does not exist on type 'Undeclared<"add 'path' to reads">'`],
  [
    `const text: string = request.host; text`,
    `Type 'Undeclared<"add 'host' to reads">' is not assignable to type 'string'`,
  ],
  [`client.ip.length`, `Undeclared<"add 'client.ip' to reads">`],
  [`connection.route?.length`, `Undeclared<"add 'route' to reads">`],
  [`request.headers().length`, `Undeclared<"add 'header:*' to reads">`],
  [
    `request.header('x-b')`,
    `'"x-b"' is not assignable to parameter of type '"X-A" | "x-a" | (string & Undeclared<"add 'header:<name>' to reads">)'`,
  ],
  [`request.cookie('b')`, `Undeclared<"add 'cookie:<name>' to reads">`],
  [`request.parameter('b')`, `Undeclared<"add 'query:<name>' to reads">`],
  [`request.setHeader('x-b', '')`, `Undeclared<"add 'header:<name>' to writes">`],
  [`request.consumer = 'bob'`, `Undeclared<"add 'consumer' to writes">`],
  [`response.setHeader('x-b', '')`, `Undeclared<"add 'response.header:<name>' to writes">`],
  [`response.status`, `Property 'status' does not exist on type 'PreparedResponse<`],
  [`request.useUpstream('b')`, `Undeclared<"add 'upstream' to writes">`],
  [`helper(request)`, `Type 'Undeclared<"add 'method' to reads">' is not assignable to type 'string'`],
]

test('what the type checker says tells what to add', { timeout: 120_000 }, () => {
  const lines = [
    `import { definePlugin, type Request } from 'postern/sdk'`,
    `function helper(request: Request): string { return request.path }`,
    `definePlugin({`,
    `  name: 'mistaken', reads: ['header:x-a'], writes: ['header:x-a'],`,
    `  onRequest({ request, response, client, connection }) {`,
    ...mistakes.map(([statement]) => `    ${statement}`),
    `  },`,
    `})`,
    `definePlugin({ name: 'misspelt', onRequset() {} })`,
  ]
  // Continuation lines belong to the error above them.
  const errors = checkTypes(lines.join('\n')).split(/\n(?=\S)/)
  const of = (line: number): string => errors.filter((error) => error.includes(`(${line},`)).join('\n')
  for (const [index, [, message]] of mistakes.entries()) expect(of(index + 6)).toContain(message)
  expect(of(lines.length)).toContain('a plugin has no such hook or member')
  expect(errors.length).toBe(mistakes.length + 1)
})
