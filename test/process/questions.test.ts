import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { checkConfig } from '../../core/check/check.ts'
import type { Question } from '../../core/process/channel.ts'
import { OpenQuestions } from '../../core/process/open-questions.ts'
import { type PackedConfig, packConfig } from '../../core/process/packed-config.ts'
import { WorkerProcess } from '../../core/process/worker-process.ts'
import { runtime } from '../../core/sandbox/runtime.ts'
import { echoBackend } from '../helpers/backend.ts'
import { gatewayFolder, httpConfig, type Json } from '../helpers/gateway.ts'

const status = { kind: 'status' } as const
const answerOf = (generation: number) => ({ generation, active: 0, plugins: [] })

describe('open questions', () => {
  function setUp() {
    const sent: { id: number; question: Question }[] = []
    const questions = new OpenQuestions((id, question) => sent.push({ id, question }))
    return { sent, questions }
  }

  test('each is settled by the answer with its id, in any order', async () => {
    const { sent, questions } = setUp()
    const first = questions.ask(status)
    const second = questions.ask({ kind: 'commit', generation: 7 })
    const third = questions.ask(status)
    expect(sent.map(({ question }) => question)).toEqual([status, { kind: 'commit', generation: 7 }, status])
    expect(new Set(sent.map(({ id }) => id)).size).toBe(3)
    questions.answer(sent[2]!.id, answerOf(3))
    questions.answer(sent[1]!.id, undefined)
    questions.answer(sent[0]!.id, answerOf(1))
    expect(await Promise.all([first, second, third])).toEqual([answerOf(1), undefined, answerOf(3)])
    expect(questions.size).toBe(0)
  })

  test('an answer with an unknown id, or to an answered question, is ignored', async () => {
    const { sent, questions } = setUp()
    const asked = questions.ask(status)
    questions.answer(99, answerOf(99))
    expect(questions.size).toBe(1)
    questions.answer(sent[0]!.id, answerOf(1))
    questions.answer(sent[0]!.id, answerOf(2))
    expect(await asked).toEqual(answerOf(1))
  })

  test('death rejects the open ones and every later one; answers after it are ignored', async () => {
    const { sent, questions } = setUp()
    const answered = questions.ask(status)
    questions.answer(sent[0]!.id, answerOf(1))
    const open = [questions.ask(status), questions.ask({ kind: 'commit', generation: 1 })]
    questions.fail(new Error('dead'))
    for (const one of open) await expect(one).rejects.toThrow('dead')
    await expect(questions.ask(status)).rejects.toThrow('dead')
    expect(sent).toHaveLength(3)
    questions.answer(sent[1]!.id, answerOf(1))
    expect(await answered).toEqual(answerOf(1))
    expect(questions.size).toBe(0)
  })
})

describe('a worker process', () => {
  function startWorker(): WorkerProcess {
    const folder = mkdtempSync(join(tmpdir(), 'postern-worker-'))
    const worker = new WorkerProcess(join(folder, 'slot'), join(folder, 'cache'))
    onTestFinished(() => {
      worker.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    })
    return worker
  }

  async function packed(config: Json): Promise<PackedConfig> {
    const folder = gatewayFolder(config)
    writeFileSync(join(folder, 'gateway.json'), JSON.stringify(config))
    const checked = await checkConfig(join(folder, 'gateway.json'))
    if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
    return packConfig(checked)
  }

  test('answers what it knows, before and after it has a configuration', async () => {
    const worker = startWorker()
    expect(await worker.ask(status)).toEqual({ generation: undefined, active: 0, plugins: [] })
    const backend = await echoBackend()
    const config = httpConfig([backend.port], {
      routes: { all: { policies: ['limit'] } },
      policies: { limit: { plugin: 'rate-limit', options: { points: 5, duration: '1h' } } },
    })
    expect(await worker.prepare(3, await packed(config), runtime(), new Map())).toBeUndefined()
    expect(await worker.ask(status)).toMatchObject({ generation: undefined, plugins: [] })
    await worker.commit(3)
    expect(await worker.ask(status)).toMatchObject({
      generation: 3,
      active: 0,
      plugins: [{ plugin: 'rate-limit', quarantine: 'closed', calls: 0, policies: [{ policy: 'limit' }] }],
    })
  })

  test('says why it cannot run a configuration, and goes on answering', async () => {
    const worker = startWorker()
    const backend = await echoBackend()
    // The port is taken already.
    const config = httpConfig([backend.port], { listeners: { web: { address: '127.0.0.1', port: backend.port } } })
    expect(await worker.prepare(1, await packed(config), runtime(), new Map())).toContain('cannot listen')
    expect(await worker.ask(status)).toMatchObject({ generation: undefined })
  })

  test('that exits rejects what it has not answered', async () => {
    const worker = startWorker()
    await worker.ask(status)
    // It hears of nothing any more, but lives.
    process.kill(worker.pid!, 'SIGSTOP')
    const backend = await echoBackend()
    const packedConfig = await packed(httpConfig([backend.port]))
    const asked = worker.ask(status)
    const preparing = worker.prepare(1, packedConfig, runtime(), new Map())
    const committing = worker.commit(1)
    worker.kill('SIGKILL')
    await expect(asked).rejects.toThrow('the worker exited before it answered')
    expect(await preparing).toBe('the worker exited before it was ready')
    expect(await committing).toBeUndefined()
    await expect(worker.ask(status)).rejects.toThrow('the worker exited before it answered')
    expect(await worker.prepare(2, packedConfig, runtime(), new Map())).toBe('the worker exited before it was ready')
  })
})
