import { expect, test } from 'vitest'
import { HandshakeGate, type Handshaking } from '../../core/tls/handshake-gate.ts'
import { until } from '../helpers/until.ts'

class Client implements Handshaking {
  begun = false
  gone = false
  readonly #gate: HandshakeGate

  constructor(gate: HandshakeGate) {
    this.#gate = gate
  }

  begin(): void {
    this.begun = true
  }

  giveWay(): void {
    this.gone = true
    this.#gate.leave(this)
  }
}

const clients = (gate: HandshakeGate, count: number): Client[] =>
  Array.from({ length: count }, () => {
    const client = new Client(gate)
    gate.enter(client)
    return client
  })
const count = (all: Client[], what: 'begun' | 'gone'): number => all.filter((client) => client[what]).length
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('some begin in each turn of the event loop, in their order', async () => {
  const gate = new HandshakeGate({ atOnce: 100, perTurn: 2, patience: 1000, leastPatience: 1000 })
  const all = clients(gate, 7)
  expect(count(all, 'begun')).toBe(2)
  await turn()
  expect(count(all, 'begun')).toBe(4)
  expect(all.slice(0, 4).every(({ begun }) => begun)).toBe(true)
  await until('all to begin', () => count(all, 'begun') === 7)
})

test('no more than the limit are under way; one that ends lets the next begin, one that leaves before never does', async () => {
  const gate = new HandshakeGate({ atOnce: 3, perTurn: 100, patience: 60_000, leastPatience: 60_000 })
  const all = clients(gate, 6)
  await turn()
  expect(count(all, 'begun')).toBe(3)
  gate.leave(all[3]!)
  gate.leave(all[1]!)
  await until('the next', () => all[4]!.begun)
  expect([all[3]!.begun, all[5]!.begun]).toEqual([false, false])
})

test('the oldest give way when others wait and they have been under way for too long', async () => {
  const gate = new HandshakeGate({ atOnce: 3, perTurn: 100, patience: 50, leastPatience: 50 })
  const stuck = clients(gate, 3)
  await new Promise((resolve) => setTimeout(resolve, 60))
  expect(count(stuck, 'gone')).toBe(0)
  const late = clients(gate, 2)
  await until('the others', () => count(late, 'begun') === 2)
  expect(count(stuck, 'gone')).toBeGreaterThan(0)
})

test('the more wait, the sooner the oldest give way', async () => {
  const gate = new HandshakeGate({ atOnce: 3, perTurn: 100, patience: 60_000, leastPatience: 1 })
  clients(gate, 3)
  const [first] = clients(gate, 1)
  await turn()
  await turn()
  expect(first!.begun).toBe(false)
  // A fifteen-thousandth of the time is left for each.
  clients(gate, 45_000)
  await until('the first that waits', () => first!.begun)
})
