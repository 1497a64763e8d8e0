import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

test('a worker for which no descriptor is left is one that has died: whoever starts it lives on', () => {
  const source = `
    import { closeSync, openSync } from 'node:fs'
    const { WorkerProcess } = await import(process.argv[1])
    const held = []
    try {
      for (;;) held.push(openSync('/dev/null'))
    } catch {}
    const worker = new WorkerProcess('/nowhere/slot', '/nowhere/cache')
    for (const one of held) closeSync(one)
    const died = new Promise((resolve) => worker.on({ onMessage() {}, onExit: resolve }))
    const problem = worker.ask({ kind: 'status' }).catch(({ message }) => message)
    worker.kill('SIGKILL')
    console.log(JSON.stringify([worker.pid ?? null, await died, await problem]))
  `
  const module = new URL('../../core/process/worker-process.ts', import.meta.url).href
  const command = `ulimit -n 100; exec "${process.execPath}" --input-type=module -e "$SOURCE" "${module}"`
  const { stdout, stderr } = spawnSync('sh', ['-c', command], {
    env: { ...process.env, SOURCE: source },
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  expect(JSON.parse(stdout)).toEqual([
    null,
    { code: expect.any(Number), signal: null, report: '' },
    'the worker exited before it answered',
  ])
})
