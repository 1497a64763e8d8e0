import { expect, test } from 'vitest'
import { groupOf } from '../../core/sandbox/group-name.ts'

test.each([
  ['a publisher is a group', ['waf', '@acme'], '@acme'],
  ['under any name of the plugin', ['other', '@acme', {}], '@acme'],
  ['isolation by group says nothing new', ['waf', '@acme', { isolation: 'group' }], '@acme'],
  ['a plugin of its own', ['waf', '@acme', { isolation: 'plugin' }], 'plugin:waf'],
  ['a group by name, across publishers', ['waf', '@acme', { group: 'edge' }], 'group:edge'],
  ['a group called like a publisher is not that', ['waf', '@acme', { group: 'local' }], 'group:local'],
] as const)('%s', (_name, [name, publisher, isolation], group) => {
  expect(groupOf(name, publisher, isolation)).toBe(group)
})
