// @fastify/http-proxy as a process of its own: node fastify-server.ts <port> <port of the backend>

interface Server {
  register(plugin: unknown, options: { upstream: string }): void
  listen(options: { host: string; port: number }): Promise<string>
}

// Names in variables: the types of packages that are not installed cannot be had.
const [server, proxy]: readonly string[] = ['fastify', '@fastify/http-proxy']
const { default: fastify } = (await import(server!)) as { default: () => Server }
const { default: httpProxy } = (await import(proxy!)) as { default: unknown }

const [port, backend] = process.argv.slice(2).map(Number)
const app = fastify()
app.register(httpProxy, { upstream: `http://127.0.0.1:${backend}` })
await app.listen({ host: '127.0.0.1', port: port! })
