import { definePlugin, reply } from 'postern/sdk'

/** Reads and writes what it did not declare; what it reads anyway it gives away. */
export default definePlugin({
  name: 'scope',
  reads: ['path', 'header:x-declared'],
  writes: ['header:x-declared'],
  onRequest(context) {
    // As a plugin without types would see it.
    const { request, client, connection } = context as unknown as Record<string, Record<string, unknown>>
    const call = (name: string, ...args: string[]): unknown =>
      (request![name] as (...args: string[]) => unknown).apply(request, args)
    const path = String(request!.path)
    if (path.endsWith('/header')) call('setHeader', 'x-undeclared', 'yes')
    else if (path.endsWith('/remove')) call('removeHeader', 'authorization')
    else if (path.endsWith('/upstream')) call('useUpstream', 'app')
    else if (path.endsWith('/consumer')) request!.consumer = 'admin'
    else {
      const seen = [
        request!.method,
        request!.host,
        request!.query,
        request!.consumer,
        request!.id,
        call('header', 'authorization'),
        call('header', 'cookie'),
        call('cookie', 'session'),
        call('parameter', 'token'),
        client!.ip,
        connection!.listener,
        (connection!.peer as { ip: unknown }).ip,
      ]
      const grants = ['counter', 'digest', 'fetch', 'kv', 'jwt'].filter((name) => {
        return (context as Record<string, unknown>)[name] !== undefined
      })
      const leaked = JSON.stringify([context, Object.getOwnPropertyNames(globalThis)]).includes('secret')
      return reply(200, { seen: seen.filter((value) => value !== undefined), headers: call('headers'), grants, leaked })
    }
  },
})
