import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))

test('a hundred plugins type-check: the schema types stay affordable', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-types-'))
  try {
    const definitions = Array.from({ length: 100 }, (_, n) => definition(n))
    writeFileSync(
      join(folder, 'many.mts'),
      `import { definePlugin, reply } from 'postern/sdk'\n${definitions.join('\n')}`,
    )
    const paths = { 'postern/sdk': [join(root, 'sdk/index.ts')] }
    const compilerOptions = { paths, types: [], rootDir: '/', noEmit: true }
    const project = { extends: join(root, 'tsconfig.json'), compilerOptions, include: [folder], exclude: [] }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(project))
    // TS2589, "excessively deep", is what a naive use of FromSchema ends in.
    expect(check(folder)).toBe('')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

function check(folder: string): string {
  try {
    return execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder], {
      encoding: 'utf8',
    })
  } catch (error) {
    return (error as { stdout: string }).stdout
  }
}

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
  reads: (options) => [\`header:\${options.header${n}}\`],
  writes: ['upstream'],
  needs: ['counter'],
  async onRequest({ request, options, counter }) {
    const { allowed } = await counter.take(options.mode${n}, { points: options.points${n}, duration: 60 })
    if (!allowed) return reply(429)
    const rule = options.rules${n}.find((rule) => rule.percent${n} > 50)
    if (rule) request.useUpstream(rule.upstream${n})
  },
})
void plugin${n}`
}
