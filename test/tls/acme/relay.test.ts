import { describe, expect, test } from 'vitest'
import type { Challenge } from '../../../core/acme/acme-state.ts'
import { AcmeStorage } from '../../../core/acme/storage.ts'
import { AcmeRelay } from '../../../core/process/acme-relay.ts'
import type { ToWorker } from '../../../core/process/channel.ts'
import type { WorkerSlot } from '../../../core/process/worker-slot.ts'
import type { Log } from '../../../core/telemetry/log.ts'
import { createAuthority } from '../certificates.ts'
import { acmeConfig, recordingLog, temporaryFolder } from './fixtures.ts'

const challenges: readonly Challenge[] = [{ type: 'http-01', token: 't', answer: 't.x' }]

/** A supervisor's relay, the messages that it sends to all workers, and the answers that they give when the test says so. */
function setUp() {
  const told: ToWorker[] = []
  const asked: { readonly challenges: readonly Challenge[]; answer(): void }[] = []
  const log = recordingLog()
  const relay = new AcmeRelay(log as unknown as Log, {
    tell: (message) => void told.push(message),
    challenge: (list) => new Promise((resolve) => void asked.push({ challenges: list, answer: () => resolve() })),
  })
  const worker = (): WorkerSlot & { readonly heard: ToWorker[] } => {
    const heard: ToWorker[] = []
    return { heard, tell: (message: ToWorker) => void heard.push(message) } as unknown as ReturnType<typeof worker>
  }
  return { relay, told, asked, log, worker }
}

describe('the relay of a supervisor', () => {
  test('tells the worker that orders to go on only when all workers answer its challenges', async () => {
    const { relay, asked, worker } = setUp()
    const leader = worker()
    void relay.challenge(7, challenges, leader)
    await Promise.resolve()
    expect(leader.heard).toEqual([])
    expect(asked[0]?.challenges).toBe(challenges)
    asked[0]!.answer()
    await expect.poll(() => leader.heard).toEqual([{ type: 'challenged', id: 7 }])
  })

  test('tells a worker that starts meanwhile what to answer, until they are over', async () => {
    const { relay, worker } = setUp()
    const leader = worker()
    void relay.challenge(1, challenges, leader)
    expect(relay.briefing()).toEqual([{ type: 'challenges', challenges }])
    void relay.challenge(2, [], leader)
    expect(relay.briefing()).toEqual([])
  })

  test('ends the challenges of a worker that dies, and no others', () => {
    const { relay, asked, worker } = setUp()
    const leader = worker()
    void relay.challenge(1, challenges, leader)
    relay.left(worker())
    expect(asked).toHaveLength(1)
    relay.left(leader)
    expect(asked[1]?.challenges).toEqual([])
    expect(relay.briefing()).toEqual([])
  })

  test('has what is stored for the first workers, what was issued for all others, and forgets what is not configured', async () => {
    const { relay, told, log, worker } = setUp()
    const folder = temporaryFolder()
    const [one, two] = [acmeConfig(folder, ['one.example']), acmeConfig(folder, ['two.example'])]
    const { chain, key } = createAuthority().issue({ names: ['one.example'] })
    await new AcmeStorage(one, log).saveCertificate({ cert: chain, key })
    relay.adopt([one, two])
    const stored = { id: one.id, cert: chain, key }
    expect(relay.briefing()).toEqual([{ type: 'certificates', certificates: [stored] }])
    expect(told).toEqual([{ type: 'certificates', certificates: [stored] }])
    const news = { id: two.id, cert: 'c', key: 'k' }
    relay.issued(news, worker())
    expect(told.at(-1)).toEqual({ type: 'certificates', certificates: [news] })
    expect(relay.briefing()).toEqual([{ type: 'certificates', certificates: [stored, news] }])
    relay.adopt([two])
    expect(relay.briefing()).toEqual([{ type: 'certificates', certificates: [news] }])
    expect(told).toHaveLength(2)
  })

  test('goes on without a storage that cannot be read, and says so', () => {
    const { relay, log } = setUp()
    relay.adopt([acmeConfig('/dev/null/acme')])
    expect(log.lines).toMatchObject([{ level: 'error', event: 'acme: the stored certificate cannot be read' }])
    expect(relay.briefing()).toEqual([])
  })
})
