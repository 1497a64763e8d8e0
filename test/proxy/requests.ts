import { type Agent, request } from 'node:http'
import type { Socket } from 'node:net'

/** A request by an agent: what a backend of `greeted.ts` answered, and the connection that carried it. */
export function get(
  port: number,
  agent: Agent,
  headers: { readonly [name: string]: string } = {},
): Promise<{ readonly told: unknown; readonly socket: Socket; readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, agent, headers }, (response) => {
      let text = ''
      const { socket } = response
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      response.on('error', reject)
      response.on('end', () => {
        const told: unknown = text.startsWith('{') ? JSON.parse(text) : undefined
        resolve({ told, socket, status: response.statusCode ?? 0, text })
      })
    })
    sent.on('error', reject)
    sent.end()
  })
}
