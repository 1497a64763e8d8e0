import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { checkConfig } from '../../core/check/check.ts'
import { modes, testPlugin } from '../../core/testing/index.ts'
import { echoBackend, httpBackend } from '../helpers/backend.ts'
import { drained, open, send } from '../helpers/client.ts'
import { gatewayFolder, httpConfig, type Json, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'

/** Leaves a word at the beginning of a connection, and logs it at the end. */
const pair = `
import { definePlugin, reply } from 'postern/sdk'
export default definePlugin({
  name: 'pair',
  needs: ['log', 'fetch'],
  options: {
    type: 'object', additionalProperties: false, required: ['word'],
    properties: { word: { type: 'string' }, refuses: { type: 'boolean', default: false }, waitsFor: { type: 'string', default: '' } },
  },
  reads: ['client.ip', 'listener', 'route'],
  async onConnect({ connection, options, client, fetch }) {
    if (options.waitsFor !== '') await fetch(options.waitsFor)
    connection.state = options.word + ' ' + client.ip
    if (options.refuses) return reply(403, { title: 'not you' })
  },
  onClose({ options, log }) { log.info('closed', { word: options.word }) },
  onDisconnect({ state, options, log, client, connection }) {
    log.info('gone', {
      word: options.word, state: state ?? '', ip: client.ip, layer: connection.layer, listener: connection.listener, route: connection.route ?? '',
    })
  },
})`

/** Has no `onConnect` that it would pair with. */
const only = `
import { definePlugin } from 'postern/sdk'
export default definePlugin({
  name: 'only',
  needs: ['log'],
  onDisconnect({ log }) { log.info('gone', { word: 'only' }) },
})`

const files = { 'plugins/pair/index.ts': pair, 'plugins/only/index.ts': only }

function pairs(
  port: number,
  words: readonly ({ [name: string]: Json } & { word: string })[],
  fetch: Json[] = [],
): Json {
  return httpConfig([port], {
    listeners: { web: { policies: words.map(({ word }) => word) } },
    policies: Object.fromEntries(words.map((options) => [options.word, { plugin: 'pair', options }])),
    // The limit is time on the clock: enough for a busy machine.
    plugins: { pair: { limits: { time: '1s' }, fetch } },
  })
}

/** What was said of ends so far, in order: `gone a`, `closed b`. */
function ends({ log }: Pick<TestGateway, 'log'>): string[] {
  return log
    .filter(({ msg }) => msg === 'gone' || msg === 'closed')
    .map(({ msg, fields }) => `${msg as string} ${(fields as { word: string }).word}`)
}

/** One request on a connection that stays open. */
async function ask(socket: Socket): Promise<string> {
  const answer = new Promise<string>((resolve) => {
    let text = ''
    const take = (chunk: Buffer): void => {
      text += chunk.toString()
      if (!text.includes('"body":""}')) return
      socket.off('data', take)
      resolve(text)
    }
    socket.on('data', take)
  })
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  return answer
}

describe('onDisconnect', () => {
  it('is told once of the end of a connection, after those of its requests, with what onConnect left', async () => {
    const backend = await echoBackend()
    const gateway = await startInProcess(pairs(backend.port, [{ word: 'a' }]), files)
    const socket = await open(gateway.port('web'))
    await ask(socket)
    await ask(socket)
    await until('the ends of both requests', () => ends(gateway).length === 2)
    expect(ends(gateway)).toEqual(['closed a', 'closed a'])
    socket.end()
    const gone = await gateway.record(({ msg }) => msg === 'gone')
    const facts = { word: 'a', state: 'a 127.0.0.1', ip: '127.0.0.1', layer: 'L7', listener: 'web', route: '' }
    expect(gone).toMatchObject({ plugin: 'pair', policy: 'a', fields: facts })
    // A second connection shows that time has passed.
    await send(gateway.port('web'), '/')
    await until('the end of the second connection', () => ends(gateway).length >= 5)
    expect(ends(gateway)).toEqual(['closed a', 'closed a', 'gone a', 'closed a', 'gone a'])
  })

  it('is told of refused connections, to the policies whose turn had come', async () => {
    const backend = await echoBackend()
    const words = [{ word: 'first' }, { word: 'refuser', refuses: true }, { word: 'last' }]
    const gateway = await startInProcess(pairs(backend.port, words), files)
    expect((await send(gateway.port('web'), '/')).status).toBe(403)
    await until('both ends', () => ends(gateway).length >= 2)
    await send(gateway.port('web'), '/')
    await until('all ends', () => ends(gateway).length >= 4)
    expect(ends(gateway)).toEqual(['gone first', 'gone refuser', 'gone first', 'gone refuser'])
    expect(gateway.log.find(({ msg, policy }) => msg === 'gone' && policy === 'refuser')).toMatchObject({
      fields: { state: 'refuser 127.0.0.1' },
    })
  })

  it('is told when the client goes away before it is admitted, and nothing more runs', async () => {
    const backend = await echoBackend()
    let waiting = 0
    const silent = await httpBackend((request) => {
      waiting++
      request.socket.on('close', () => waiting--)
    })
    const url = `http://127.0.0.1:${silent.port}`
    const gateway = await startInProcess(
      pairs(
        backend.port,
        [{ word: 'a' }, { word: 'b', waitsFor: url }, { word: 'c' }],
        [{ origin: url, private: true }],
      ),
      files,
    )
    const socket = await open(gateway.port('web'))
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await until('b to wait', () => waiting === 1)
    socket.destroy()
    await until('both ends', () => ends(gateway).length === 2)
    expect(ends(gateway)).toEqual(['gone a', 'gone b'])
    expect(
      gateway.log.filter(({ msg }) => msg === 'gone').map(({ fields }) => (fields as { state: string }).state),
    ).toEqual(['a 127.0.0.1', ''])
    await until('b to be let go of', () => waiting === 0)
    expect((await gateway.record(({ msg }) => msg === 'request')).outcome).toBe('DC')
    expect(ends(gateway).length).toBe(2)
  })

  it('needs no onConnect, and no request', async () => {
    const backend = await echoBackend()
    const config = httpConfig([backend.port], {
      listeners: { web: { policies: ['o'] } },
      policies: { o: { plugin: 'only' } },
    })
    const gateway = await startInProcess(config, files)
    const socket = await open(gateway.port('web'))
    socket.end()
    await until('the end', () => ends(gateway).length === 1)
    const malformed = await open(gateway.port('web'))
    malformed.write('no HTTP\r\n\r\n')
    expect(await drained(malformed)).toMatch(/^HTTP\/1\.1 [45]/)
    await until('the end of the other', () => ends(gateway).length === 2)
  })

  it('runs under the configuration that the connection began with', async () => {
    const backend = await echoBackend()
    const gateway = await startInProcess(pairs(backend.port, [{ word: 'old' }]), files)
    const socket = await open(gateway.port('web'))
    await ask(socket)
    await gateway.reload(pairs(backend.port, [{ word: 'new' }]))
    await ask(socket)
    socket.end()
    await until('the end', () => ends(gateway).includes('gone old'))
    await send(gateway.port('web'), '/')
    await until('the end of the next', () => ends(gateway).includes('gone new'))
    expect(ends(gateway)).toEqual(['closed old', 'closed new', 'gone old', 'closed new', 'gone new'])
    expect(gateway.log.find(({ msg, policy }) => msg === 'gone' && policy === 'old')).toMatchObject({
      fields: { state: 'old 127.0.0.1' },
    })
  })

  it('is told of the connections that a drain ends', async () => {
    const backend = await echoBackend()
    const gateway = await startInProcess(pairs(backend.port, [{ word: 'a' }]), files)
    const socket = await open(gateway.port('web'))
    await ask(socket)
    await gateway.drain()
    await until('the end', () => ends(gateway).includes('gone a'))
    expect(ends(gateway)).toEqual(['closed a', 'gone a'])
  })

  it('is refused where no connection begins', async () => {
    const problems = async (extra: { [section: string]: { [name: string]: Json } }): Promise<string[]> => {
      const config = httpConfig([1], { policies: { o: { plugin: 'only' } }, ...extra })
      const checked = await checkConfig(`${gatewayFolder(config, files)}/gateway.json`)
      return checked.ok ? [] : checked.problems.map(({ message }) => message)
    }
    expect(await problems({ listeners: { web: { policies: ['o'] } } })).toEqual([])
    expect(await problems({ routes: { all: { policies: ['o'] } } })).toEqual([
      'policy "o" (plugin only) never runs here: it has only onDisconnect, and a connection ends without a route; attach it to the listener',
    ])
  })
})

describe.each(modes)('onDisconnect in %s', (mode) => {
  it('sees the connection and no request, and what it returns is ignored', async () => {
    const file = new URL('../fixtures/plugins/disconnect.ts', import.meta.url)
    const plugin = await testPlugin(file, {}, { mode })
    try {
      const { state } = await plugin.run('onDisconnect', { state: 'left', client: { ip: '192.0.2.7' } })
      expect(state).toBe('left 192.0.2.7 undefined')
    } finally {
      plugin.close()
    }
  })
})
