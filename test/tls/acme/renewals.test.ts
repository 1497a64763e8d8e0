import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { AcmeConfig } from '../../../core/acme/acme-config.ts'
import { AcmeProblem } from '../../../core/acme/acme-problem.ts'
import { AcmeState, type Challenge } from '../../../core/acme/acme-state.ts'
import type { Bundle } from '../../../core/acme/issued-certificate.ts'
import { type OrderJob, Renewals } from '../../../core/acme/renewals.ts'
import { AcmeStorage } from '../../../core/acme/storage.ts'
import { createAuthority } from '../certificates.ts'
import { acmeConfig, recordingLog, temporaryFolder } from './fixtures.ts'

const minute = 60_000
const day = 86_400_000
const authority = createAuthority()

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

function issue({ names }: AcmeConfig, days = 90): Bundle {
  const from = new Date(Date.now() - 60_000)
  const { chain, key } = authority.issue({ names, from, to: new Date(from.getTime() + days * day) })
  return { cert: chain, key }
}

/** A process that orders from a CA that the test plays. */
function setUp(answer: (job: OrderJob) => Promise<Bundle> | Bundle) {
  const log = recordingLog()
  const state = new AcmeState()
  const orders: OrderJob[] = []
  const challenged: (readonly Challenge[])[] = []
  const renewals = new Renewals({
    log,
    state,
    order: async (job) => {
      orders.push(job)
      return answer(job)
    },
    challenge: async (challenges) => void challenged.push(challenges),
    onIssued: (certificate) => state.install([certificate]),
  })
  onTestFinished(() => renewals.close())
  return { log, state, orders, challenged, renewals, events: () => log.lines.map(({ event }) => event) }
}

/** Moves the clock and looks what is due. Timers stay: the limit of an order would end while its files are written, which takes real time. */
function later(renewals: Renewals, ms: number): void {
  vi.setSystemTime(Date.now() + ms)
  renewals.lead(true)
}

/** Lets work on files go on, which no fake timer moves, until the condition holds. */
async function settle(condition: () => boolean): Promise<void> {
  const end = performance.now() + 20_000
  while (!condition() && performance.now() < end) await sleep(1)
  expect(condition()).toBe(true)
}

/** Lets a little time pass in which nothing must happen. */
async function rest(): Promise<void> {
  await sleep(20)
}

describe('orders', () => {
  test('what is missing, stores it, tells all workers, and says so', async () => {
    const config = acmeConfig(temporaryFolder())
    const { renewals, state, orders, log, events } = setUp((job) => issue(job.config))
    renewals.adopt([config])
    await rest()
    expect(orders).toHaveLength(0)
    renewals.lead(true)
    await settle(() => events().includes('certificate issued'))
    expect(orders).toHaveLength(1)
    const stored = new AcmeStorage(config, log)
    expect(stored.certificate()).toEqual(state.certificate(config.id))
    expect(stored.failures()).toBeUndefined()
    const { facts } = log.lines[0]!
    const until = Date.parse(facts.until as string)
    expect(until - Date.now()).toBeGreaterThan(89 * day)
    expect((Date.parse(facts.renewal as string) - Date.now()) / day).toBeGreaterThan(57)
  })

  test('one certificate after the other', async () => {
    const folder = temporaryFolder()
    let running = 0
    const { renewals, events } = setUp(async ({ config }) => {
      expect(++running).toBe(1)
      await rest()
      running--
      return issue(config)
    })
    renewals.adopt([1, 2, 3].map((n) => acmeConfig(folder, [`${n}.example`])))
    renewals.lead(true)
    await settle(() => events().length === 3)
  })

  test('again when two thirds of the lifetime are over, and not before', async () => {
    const { renewals, state, orders, events } = setUp((job) => issue(job.config))
    const config = acmeConfig(temporaryFolder())
    renewals.adopt([config])
    renewals.lead(true)
    await settle(() => events().length === 1)
    const first = state.certificate(config.id)
    later(renewals, 57 * day)
    await rest()
    expect(orders).toHaveLength(1)
    later(renewals, 7 * day)
    await settle(() => events().length === 2)
    expect(state.certificate(config.id)).not.toEqual(first)
    expect(orders).toHaveLength(2)
  })

  test('nothing while a certificate of the storage is in use, until that is due', async () => {
    const { renewals, state, orders } = setUp((job) => issue(job.config))
    const config = acmeConfig(temporaryFolder())
    state.install([{ id: config.id, ...issue(config) }])
    renewals.adopt([config])
    renewals.lead(true)
    await rest()
    expect(orders).toHaveLength(0)
    later(renewals, 64 * day)
    await settle(() => orders.length === 1)
  })

  test('at once while one of other names is in use', async () => {
    const { renewals, state, events } = setUp((job) => issue(job.config))
    const config = acmeConfig(temporaryFolder())
    state.install([{ id: config.id, ...issue(config), interim: true }])
    renewals.adopt([config])
    renewals.lead(true)
    await settle(() => events().length === 1)
    expect(state.certificate(config.id)?.interim).toBeUndefined()
  })

  test('not what is on disk already: another worker died before it could tell', async () => {
    const { renewals, state, orders, log } = setUp((job) => issue(job.config))
    const config = acmeConfig(temporaryFolder())
    const bundle = issue(config)
    await new AcmeStorage(config, log).saveCertificate(bundle)
    renewals.adopt([config])
    renewals.lead(true)
    await settle(() => state.certificate(config.id) !== undefined)
    expect(state.certificate(config.id)?.cert).toBe(bundle.cert)
    expect(orders).toHaveLength(0)
  })

  test('not in circles when the clock is wrong', async () => {
    const { renewals, orders, events } = setUp(({ config }) => {
      const { chain, key } = authority.issue({
        names: config.names,
        from: new Date(Date.now() - 89 * day),
        to: new Date(Date.now() + day),
      })
      return { cert: chain, key }
    })
    renewals.adopt([acmeConfig(temporaryFolder())])
    renewals.lead(true)
    await settle(() => events().length === 1)
    later(renewals, 59 * minute)
    await rest()
    expect(orders).toHaveLength(1)
    later(renewals, 2 * minute)
    await settle(() => orders.length === 2)
  })
})

describe('a failure', () => {
  const refusing = (problem: Error) => (): never => {
    throw problem
  }

  test('keeps the certificate in use and says so, with the time of the next try', async () => {
    const config = acmeConfig(temporaryFolder())
    const { renewals, state, log, events } = setUp(refusing(new AcmeProblem('a.example: the CA found nothing')))
    const old = { id: config.id, ...issue(config, 10) }
    state.install([old])
    vi.setSystemTime(Date.now() + 8 * day)
    renewals.adopt([config])
    renewals.lead(true)
    await settle(() => events().length === 1)
    expect(state.certificate(config.id)).toBe(old)
    const { level, event, facts } = log.lines[0]!
    expect([level, event]).toEqual(['error', 'certificate not issued'])
    expect(facts).toMatchObject({ names: ['a.example'], problem: 'a.example: the CA found nothing', failures: 1 })
    expect(facts.inUse).toMatch(/^the previous one, valid until /)
    const wait = Date.parse(facts.retryAt as string) - Date.now()
    expect(wait).toBeGreaterThan(0.8 * minute)
    expect(wait).toBeLessThan(1.2 * minute)
  })

  test('is followed by tries at growing distances, and then by success', async () => {
    const config = acmeConfig(temporaryFolder())
    let broken = true
    const { renewals, orders, events } = setUp((job) => {
      if (broken) throw new Error('no')
      return issue(job.config)
    })
    renewals.adopt([config])
    renewals.lead(true)
    await settle(() => events().length === 1)
    for (const [waited, wanted] of [
      [0.8, 1],
      [0.4, 2],
      [3, 2],
      [1.5, 3],
      [14, 3],
      [4, 4],
    ] as const) {
      later(renewals, waited * minute)
      if (events().length < wanted) await settle(() => events().length === wanted)
      await rest()
      expect(orders).toHaveLength(wanted)
    }
    broken = false
    later(renewals, 70 * minute)
    await settle(() => events().at(-1) === 'certificate issued')
  })

  test('for the limits of the CA is respected, by a gateway that restarts too', async () => {
    const config = acmeConfig(temporaryFolder())
    const refuse = refusing(new AcmeProblem('too many certificates', 6 * 60 * minute))
    const first = setUp(refuse)
    first.renewals.adopt([config])
    first.renewals.lead(true)
    await settle(() => first.events().length === 1)
    first.renewals.close()
    const second = setUp(refuse)
    second.renewals.adopt([config])
    second.renewals.lead(true)
    later(second.renewals, 5.9 * 60 * minute)
    await rest()
    expect(second.orders).toHaveLength(0)
    later(second.renewals, 0.2 * 60 * minute)
    await settle(() => second.orders.length === 1)
  })

  test('is forgotten when its file is removed and the configuration reloaded', async () => {
    const config = acmeConfig(temporaryFolder())
    const { renewals, events, log, orders } = setUp(refusing(new Error('no')))
    renewals.adopt([config])
    renewals.lead(true)
    await settle(() => events().length === 1)
    renewals.adopt([config])
    await rest()
    expect(orders).toHaveLength(1)
    rmSync(new AcmeStorage(config, log).failuresFile)
    renewals.adopt([config])
    await settle(() => orders.length === 2)
  })

  test('of one certificate does not hold up the others', async () => {
    const folder = temporaryFolder()
    const { renewals, events } = setUp(({ config }) => {
      if (config.names[0] === 'a.example') throw new Error('no')
      return issue(config)
    })
    renewals.adopt([acmeConfig(folder), acmeConfig(folder, ['b.example'])])
    renewals.lead(true)
    await settle(() => events().length === 2)
    expect(events().sort()).toEqual(['certificate issued', 'certificate not issued'])
  })

  test('of the storage is known before the CA is asked', async () => {
    const file = join(temporaryFolder(), 'file')
    writeFileSync(file, '')
    const { renewals, events, orders, log } = setUp((job) => issue(job.config))
    renewals.adopt([acmeConfig(join(file, 'acme'))])
    renewals.lead(true)
    await settle(() => events().includes('certificate not issued'))
    expect(orders).toHaveLength(0)
    expect(log.lines[0]?.facts.problem).toContain('ENOTDIR')
  })

  test('is an order that takes too long', async () => {
    const { renewals, events, orders, log } = setUp(({ signal }) => {
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error))
      })
    })
    renewals.adopt([acmeConfig(temporaryFolder())])
    renewals.lead(true)
    await settle(() => orders.length === 1)
    await vi.advanceTimersByTimeAsync(6 * minute)
    await settle(() => events().length === 1)
    expect(log.lines[0]?.facts.problem).toBe('the CA has not issued it within 5 minutes')
  })

  test('is a certificate that has expired when it comes', async () => {
    const { renewals, events, log, state } = setUp(({ config }) => {
      const { chain, key } = authority.issue({ names: config.names, to: new Date(Date.now() - minute) })
      return { cert: chain, key }
    })
    const config = acmeConfig(temporaryFolder())
    renewals.adopt([config])
    renewals.lead(true)
    await settle(() => events().length === 1)
    expect(log.lines[0]?.facts.problem).toContain('set the clock')
    expect(state.certificate(config.id)).toBeUndefined()
  })
})

describe('an order under way', () => {
  function hanging() {
    const set = setUp(async ({ signal, challenge }) => {
      await challenge([{ type: 'http-01', token: 't', answer: 't.x' }])
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error))
      })
    })
    return { ...set, begun: () => settle(() => set.challenged.length === 1) }
  }

  test('ends with its challenges, without a word, when another worker leads', async () => {
    const { renewals, challenged, events, begun } = hanging()
    renewals.adopt([acmeConfig(temporaryFolder())])
    renewals.lead(true)
    await begun()
    renewals.lead(false)
    await settle(() => challenged.length === 2)
    expect(challenged.at(-1)).toEqual([])
    await rest()
    expect(events()).toEqual([])
  })

  test('ends when the configuration has it no more, and goes on through other reloads', async () => {
    const config = acmeConfig(temporaryFolder())
    const { renewals, challenged, orders, begun } = hanging()
    renewals.adopt([config])
    renewals.lead(true)
    await begun()
    renewals.adopt([structuredClone(config)])
    await rest()
    expect(orders).toHaveLength(1)
    renewals.adopt([])
    await settle(() => challenged.length === 2)
    await rest()
    expect(orders).toHaveLength(1)
  })

  test('is made at once by a gateway that starts after a crash, but not after each of many', async () => {
    const config = acmeConfig(temporaryFolder())
    const crash = async (): Promise<void> => {
      const { renewals, begun, orders } = hanging()
      renewals.adopt([config])
      renewals.lead(true)
      await begun()
      expect(orders).toHaveLength(1)
      renewals.close()
    }
    await crash()
    await crash()
    const third = setUp((job) => issue(job.config))
    third.renewals.adopt([config])
    third.renewals.lead(true)
    await rest()
    expect(third.orders).toHaveLength(0)
    later(third.renewals, 5 * minute)
    await settle(() => third.events().length === 1)
  })

  test('is made by the next worker at once', async () => {
    const config = acmeConfig(temporaryFolder())
    const first = hanging()
    const second = setUp((job) => issue(job.config))
    for (const { renewals } of [first, second]) renewals.adopt([config])
    first.renewals.lead(true)
    await first.begun()
    first.renewals.close()
    second.renewals.lead(true)
    await settle(() => second.events().length === 1)
    expect(second.log.lines).toMatchObject([{ event: 'certificate issued' }])
  })
})
