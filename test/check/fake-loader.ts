import type { PluginLoader } from '../../core/check/plugin-loader.ts'

/** Plugins without isolates, for tests that check a thousand configurations: each looks like `key-auth`. */
export const fakeLoader: PluginLoader = {
  load: async ({ file, publisher }) => ({
    name: 'key-auth',
    file,
    publisher,
    script: '',
    map: '',
    hash: '',
    manifest: {
      name: 'key-auth',
      description: '',
      options: {
        type: 'object',
        additionalProperties: false,
        required: ['keys'],
        properties: { keys: { type: 'object', additionalProperties: { type: 'string' } } },
      },
      needs: [],
      hooks: ['onRequest'],
      answers: false,
    },
  }),
  inspect: () => ({ scopes: () => ({ reads: ['header:x-api-key'], writes: ['consumer'] }), close: () => {} }),
}
