import { expect, it } from 'vitest'
import { type Json, startGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { echo, UdpClient, type UdpPeer, udpConfig } from './peers.ts'

/** `UDP_DRILL=full` runs the drill of protocols.md P3 in its full size: 100 clients, 13,700 datagrams. */
const size = process.env.UDP_DRILL === 'full' ? { clients: 100, datagrams: 13_700 } : { clients: 40, datagrams: 2_000 }

/** What a client sends: its number, and that of the datagram. */
const numbered = /^(\w+):(\d+) (\d+)$/

/** Sends from all clients in turn, 100 in 20 ms. @param at what happens, by the number of the datagram before which it does */
async function send(clients: readonly UdpClient[], at: Readonly<Record<number, () => unknown>>): Promise<void> {
  for (let i = 0; i < size.datagrams; i++) {
    await at[i]?.()
    clients[i % clients.length]!.send(`${i % clients.length} ${i}`)
    if (i % 100 === 99) await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Of a client, the backends that have answered it. */
function backendsOf(client: UdpClient): Set<string> {
  return new Set(client.peer.received.map(({ text }) => numbered.exec(text)![1]!))
}

const arrived = (backends: readonly UdpPeer[]): number =>
  new Set(backends.flatMap(({ received }) => received.map(({ text }) => text))).size

it('loses nothing but answers under way, and moves no session, when a worker is killed and all are replaced', async () => {
  const backends = await Promise.all(['a', 'b', 'c'].map(echo))
  const config = udpConfig(
    backends.map(({ port }) => port),
    { balance: { hash: 'client.ip' } },
    { address: '0.0.0.0' },
  )
  // Half of the clients have a backend that no hash says again: the supervisor remembers it.
  config.listeners!.turns = config.listeners!.dns!
  config.routes!.turns = { listener: 'turns', upstream: 'turns' }
  const { balance: _, ...pool } = config.upstreams!.pool as { [key: string]: Json }
  config.upstreams!.turns = pool
  const { process: gateway, port } = await startGateway(config)
  const clients = await Promise.all(
    Array.from({ length: size.clients }, (_, i) => UdpClient.to(port(i % 2 ? 'turns' : 'dns'), `127.0.0.${i + 1}`)),
  )
  const two = (except?: number): Promise<number[]> =>
    until('two workers', () => {
      const pids = gateway.workers()
      return pids.length === 2 && !pids.includes(except!) && pids
    })
  const [killed, other] = await two()
  const third = Math.floor(size.datagrams / 3)
  await send(clients, {
    // It hears of backends within a second.
    [third]: async () => {
      await new Promise((resolve) => setTimeout(resolve, 1_000))
      process.kill(killed!, 'SIGKILL')
    },
    [2 * third]: async () => {
      for (const pid of await two(killed)) process.kill(pid, 'SIGTERM')
    },
  })
  await until(
    () => `${size.datagrams} datagrams; ${arrived(backends)} have arrived`,
    () => arrived(backends) === size.datagrams,
  )
  const died = gateway.log().filter(({ msg }) => msg === 'worker died')
  expect(died.map(({ pid }) => pid)).toEqual([killed])
  const replaced = await until('both replacements', () => {
    const all = gateway.log().filter(({ msg }) => msg === 'worker replaced')
    return all.length === 2 && all.map(({ pid }) => pid)
  })
  expect(replaced).toContain(other)
  for (const client of clients) expect([...backendsOf(client)]).toHaveLength(1)
  const answers = (): number => clients.reduce((sum, { peer }) => sum + peer.received.length, 0)
  // Those under way to the killed worker: of 100 datagrams at a time, at most.
  await until(
    () => `answers: ${answers()} of ${size.datagrams}`,
    () => answers() >= size.datagrams - 100,
  )
  console.info(
    `udp drill: ${size.datagrams - answers()} answers lost of ${size.datagrams}, 0 datagrams, 0 clients moved`,
  )
}, 60_000)
