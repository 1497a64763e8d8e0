// @fastify/http-proxy as a process of its own: node fastify-server.ts <port> <port of the backend> [websocket]
import httpProxy from '@fastify/http-proxy'
import fastify from 'fastify'

const [port, backend] = process.argv.slice(2).map(Number)
const app = fastify()
app.register(httpProxy, { upstream: `http://127.0.0.1:${backend}`, websocket: process.argv[4] === 'websocket' })
await app.listen({ host: '127.0.0.1', port: port! })
