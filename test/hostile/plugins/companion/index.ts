import { definePlugin } from 'postern/sdk'

/** Stands before and behind a hostile plugin in the same run, and passes a word on from one side to the other. */
export default definePlugin({
  name: 'companion',
  reads: ['path', 'header:x-companion', 'response.status'],
  writes: ['header:x-companion', 'response.header:x-companion'],
  onRequest({ request }) {
    const said = request.header('x-companion')
    request.setHeader('x-companion', said === undefined ? request.path : `${said} ${request.path}`)
  },
  onResponse({ response }) {
    response.setHeader('x-companion', String(response.status))
  },
  onClose({ request }) {
    if ('polluted' in {}) throw new Error(`polluted, at ${request.path}`)
  },
})
