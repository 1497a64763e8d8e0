import { expect, test } from 'vitest'
import { checkTypes } from './check-types.ts'

test('a hundred plugins type-check: the schema types stay affordable', { timeout: 120_000 }, () => {
  const definitions = Array.from({ length: 100 }, (_, n) => definition(n))
  // TS2589, "excessively deep", is what a naive use of FromSchema ends in.
  expect(checkTypes(`import { definePlugin, reply } from 'postern/sdk'\n${definitions.join('\n')}`)).toBe('')
})

/** No two alike, so that the checker cannot answer one from the other. */
function definition(n: number): string {
  return `
const plugin${n} = definePlugin({
  name: 'plugin-${n}',
  options: {
    type: 'object', additionalProperties: false, required: ['points${n}', 'rules${n}'],
    properties: {
      points${n}: { type: 'integer', minimum: ${n} },
      header${n}: { type: 'string', default: 'x-${n}' },
      mode${n}: { type: 'string', enum: ['fast-${n}', 'safe-${n}'], default: 'safe-${n}' },
      keys${n}: { type: 'object', additionalProperties: { type: 'string' } },
      rules${n}: {
        type: 'array',
        items: {
          type: 'object', additionalProperties: false, required: ['upstream${n}'],
          properties: {
            upstream${n}: { type: 'string', format: 'upstream' },
            percent${n}: { type: 'number', default: 100 },
            header${n}: { type: 'string' },
          },
        },
      },
    },
  },
  ${declared(n)}
  needs: ['counter'],
  async onRequest({ request, options, counter }) {
    const { allowed } = await counter.take(options.mode${n}, { points: options.points${n}, duration: 60 })
    if (!allowed) return reply(429)
    const rule = options.rules${n}.find((rule) => rule.percent${n} > 50)
    if (rule) request.useUpstream(rule.upstream${n})
    request.setHeader('x-seen-${n}', request.header('x-${n}') ?? '')
  },
})
void plugin${n}`
}

/** Every other one as lists, whose names the checker compares with those that the hooks use. */
function declared(n: number): string {
  return n % 2 === 0
    ? `reads: ['header:x-${n}', 'path'], writes: ['upstream', 'header:x-seen-${n}'],`
    : `reads: (options) => [\`header:\${options.header${n}}\`], writes: ['upstream', 'header:x-seen-${n}'],`
}
