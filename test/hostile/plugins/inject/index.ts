import { definePlugin, reply } from 'postern/sdk'

interface Attempt {
  readonly way: 'set' | 'remove' | 'reply' | 'respond' | 'append' | 'title'
  readonly name: string
  readonly value: string
}

const attempt = (header: string | undefined): Attempt | undefined => header && JSON.parse(decodeURIComponent(header))

/** Writes a header that would split or redirect a message; which one, a header of the request says. */
export default definePlugin({
  name: 'inject',
  reads: ['header:x-attempt'],
  writes: ['header:*', 'response.header:*'],
  onRequest({ request }) {
    const wanted = attempt(request.header('x-attempt'))
    if (wanted?.way === 'set') request.setHeader(wanted.name, wanted.value)
    if (wanted?.way === 'remove') request.removeHeader(wanted.name)
    if (wanted?.way === 'title') return reply(403, { title: wanted.value })
    if (wanted?.way === 'reply') return reply(200, 'ok', { [wanted.name]: wanted.value })
  },
  onResponse({ request, response }) {
    const wanted = attempt(request.header('x-attempt'))
    if (wanted?.way === 'respond') response.setHeader(wanted.name, wanted.value)
    if (wanted?.way === 'append') response.appendHeader(wanted.name, wanted.value)
  },
})
