import { definePlugin } from 'postern/sdk'

/** Does its work, but one header takes the process with it. */
export default definePlugin({
  name: 'poison',
  reads: ['header:x-poison'],
  writes: ['header:x-poison'],
  onRequest({ request }) {
    if (request.header('x-poison') === 'drink') request.setHeader('x-poison', String(new Array(1e8).fill(0).length))
    else request.setHeader('x-poison', 'none')
  },
})
