import { writeFileSync } from 'node:fs'
import { Agent, get as httpGet } from 'node:http'
import { get as httpsGet, Agent as TlsAgent } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { freePort } from '../bench/ports.ts'
import { httpBackend } from '../helpers/backend.ts'
import { type Json, startInProcess } from '../helpers/gateway.ts'
import { curl } from '../peers/curl.ts'
import { describeWith } from '../peers/needs.ts'
import { temporaryFolder } from '../peers/peer.ts'
import { createAuthority } from '../tls/certificates.ts'
import { startHaproxyBehind, startHaproxyInFront, startNginxBehind, startNginxInFront } from './servers.ts'

const authority = createAuthority()
const server = authority.issue({ names: ['localhost'] })
const { ca } = authority

/** Another address than that of everything else, so that no server can be taken for the client. */
const localAddress = '127.0.0.7'

/** A request by a client of its own: the answer, and what stands for the client's port in it. */
function ask(port: number, path: string, isTls: boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, localAddress, headers: { host: 'localhost' } }
    const agent = isTls ? new TlsAgent({ ca, servername: 'localhost' }) : new Agent()
    const request = (isTls ? httpsGet : httpGet)({ ...options, agent }, (response) => {
      let text = ''
      const own = response.socket.localPort
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      response.on('end', () => {
        agent.destroy()
        resolve(`${response.statusCode} ${text}`.replace(`${own}`, 'PORT'))
      })
    })
    request.on('error', reject)
  })
}

/** What a server sends to a client that says nothing. */
function hear(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, localAddress })
    let text = ''
    let own = 0
    socket.on('connect', () => {
      own = (socket.address() as AddressInfo).port
    })
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(text.replace(`${own}`, 'PORT')))
  })
}

describeWith(['haproxy', 'nginx', 'curl'], 'the PROXY protocol with other servers', () => {
  test('HAProxy and nginx in front of it and behind it: every address is right', async () => {
    const streamPort = await freePort()
    const [nginx, haproxy, echo] = await Promise.all([
      startNginxBehind(streamPort),
      startHaproxyBehind(),
      httpBackend(({ headers }, response) => {
        const names = ['x-forwarded-for', 'x-forwarded-port', 'x-forwarded-proto']
        response.end(names.map((name) => headers[name]).join(' '))
      }),
    ])
    const backends = (port: number): Json => [{ address: `127.0.0.1:${port}` }]
    const told = { nginx: nginx.port, haproxy: haproxy.port }
    const upstreams: { [name: string]: Json } = {
      echo: { backends: backends(echo.port), health: false },
      stream: {
        protocol: 'tcp',
        backends: backends(streamPort),
        proxyProtocol: 'v2',
        health: { interval: '500ms', rise: 1, fall: 1 },
      },
    }
    const routes: { [name: string]: Json } = { stream: { listener: 'db', upstream: 'stream' } }
    for (const listener of ['web', 'secure']) {
      routes[listener] = { listener, upstream: 'echo' }
      for (const [name, port] of Object.entries(told)) {
        for (const version of ['v1', 'v2']) {
          const health = { path: '/', interval: '500ms', rise: 1, fall: 1 }
          upstreams[`${name}-${version}`] = { backends: backends(port), proxyProtocol: version, health }
          routes[`${listener}-${name}-${version}`] = {
            listener,
            upstream: `${name}-${version}`,
            match: { path: `/${name}-${version}` },
          }
        }
      }
    }
    const common: { [key: string]: Json } = { address: '127.0.0.1', port: 0, proxyProtocol: { from: ['127.0.0.1'] } }
    const tls: Json = { certificates: [{ cert: 'web.crt', key: 'web.key' }] }
    const listeners = {
      web: { ...common, http: ['1.1', '2'] },
      secure: { ...common, protocol: 'https', tls },
      db: { ...common, protocol: 'tcp' },
    }
    const { port, log } = await startInProcess(
      { listeners, routes, upstreams },
      { 'web.crt': server.chain, 'web.key': server.key },
    )
    const pem = join(temporaryFolder(), 'web.pem')
    writeFileSync(pem, `${server.chain}${server.key}`)
    const [v1, v2, db, secure, ended] = await Promise.all(Array.from({ length: 5 }, freePort))
    const byNginx = await startNginxInFront(port('web'))
    await startHaproxyInFront({ to: port('web'), server: 'send-proxy' }, [
      { port: v1!, to: port('web'), server: 'send-proxy' },
      { port: v2!, to: port('web'), server: 'send-proxy-v2 proxy-v2-options crc32c,unique-id check' },
      { port: db!, to: port('db'), server: 'send-proxy-v2' },
      { port: secure!, to: port('secure'), server: 'send-proxy-v2' },
      {
        port: ended!,
        to: port('web'),
        bind: `ssl crt ${pem}`,
        server: 'send-proxy-v2-ssl-cn proxy-v2-options crc32c,authority',
      },
    ])
    const fronts: readonly (readonly [string, number, boolean])[] = [
      ['nginx', byNginx.port, false],
      ['HAProxy, version 1', v1!, false],
      ['HAProxy, version 2', v2!, false],
      ['HAProxy in front of TLS', secure!, true],
      ['HAProxy that ends TLS', ended!, true],
    ]
    const answers: { [way: string]: string } = { 'HAProxy to nginx, TCP': await hear(db!) }
    const expected: { [way: string]: string } = { 'HAProxy to nginx, TCP': `${localAddress} PORT 127.0.0.1 ${db}` }
    for (const [name, front, isTls] of fronts) {
      for (const path of ['/', '/nginx-v1', '/nginx-v2', '/haproxy-v1', '/haproxy-v2']) {
        const way = `${name} to ${path}`
        answers[way] = await ask(front, path, isTls)
        const ends = `${localAddress} PORT 127.0.0.1 ${front}`
        if (path === '/') expected[way] = `200 ${localAddress} ${front} ${isTls ? 'https' : 'http'}`
        else if (path.startsWith('/nginx')) expected[way] = `200 ${ends}`
        else expected[way] = `200 ${ends} ${path.endsWith('v2') && isTls ? 'localhost' : ''}`
      }
    }
    expect(answers).toEqual(expected)
    // As itself, and over HTTP/2 with prior knowledge.
    for (const args of [[], ['--http2-prior-knowledge']]) {
      const { status, body } = await curl(port('web'), '/nginx-v2', ['--haproxy-protocol', ...args])
      expect([status, body.toString()]).toEqual([200, expect.stringMatching(/^127\.0\.0\.1 \d+ 127\.0\.0\.1 \d+$/)])
    }
    expect(log.filter(({ msg }) => msg === 'backend down' || msg === 'handshake')).toEqual([])
  })
})
