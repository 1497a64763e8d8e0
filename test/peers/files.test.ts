import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { httpConfig, startInProcess, type TestGateway } from '../helpers/gateway.ts'
import { content, digest } from './content.ts'
import { curl } from './curl.ts'
import { describeWith } from './needs.ts'
import { startNginx } from './nginx.ts'
import { temporaryFolder } from './peer.ts'
import { uploadFile } from './upload-file.ts'

const large = content(10_000_000)
const page = '<p>some text that can be packed</p>\n'.repeat(500)

describeWith(['curl', 'nginx'], 'curl → gateway → nginx with files', () => {
  test('a file of 10 MB, byte for byte', async () => {
    const { port } = await startFiles()
    const { code, body, heads } = await curl(port, '/large')
    expect([code, digest(body)]).toEqual([0, digest(large)])
    expect(heads).toMatch(/^content-length: 10000000\r$/im)
  })

  test('its head alone', async () => {
    const { port } = await startFiles()
    const { status, heads } = await curl(port, ['/large', '/large'], ['-I', '-o', '/dev/null', '-o', '/dev/null'])
    expect(status).toBe(200)
    expect(heads.match(/^content-length: 10000000\r$/gim)).toHaveLength(2)
  })

  test('a part, the end, and several parts of it', async () => {
    const { port } = await startFiles()
    const part = await curl(port, '/large', ['-r', '1000-1999'])
    expect([part.status, digest(part.body)]).toEqual([206, digest(large.subarray(1000, 2000))])
    expect(part.heads).toMatch(/^content-range: bytes 1000-1999\/10000000\r$/im)
    const end = await curl(port, '/large', ['-r', '-5'])
    expect([end.status, digest(end.body)]).toEqual([206, digest(large.subarray(-5))])
    const parts = await curl(port, '/large', ['-r', '0-9,20-29'])
    expect(parts.status).toBe(206)
    expect(parts.heads).toMatch(/^content-type: multipart\/byteranges; boundary=/im)
    for (const one of [large.subarray(0, 10), large.subarray(20, 30)]) expect(parts.body.includes(one)).toBe(true)
    const beyond = await curl(port, '/large', ['-r', '10000000-'])
    expect(beyond.status).toBe(416)
    expect(beyond.heads).toMatch(/^content-range: bytes \*\/10000000\r$/im)
  })

  test('conditions', async () => {
    const { port } = await startFiles()
    const { heads } = await curl(port, '/page.html')
    const tag = /^etag: (.*)\r$/im.exec(heads)![1]!
    const date = /^last-modified: (.*)\r$/im.exec(heads)![1]!
    const status = async (condition: string): Promise<number> =>
      (await curl(port, '/page.html', ['-H', condition])).status
    expect(await status(`If-None-Match: ${tag}`)).toBe(304)
    expect(await status('If-None-Match: "other"')).toBe(200)
    expect(await status(`If-Modified-Since: ${date}`)).toBe(304)
    expect(await status('If-Match: "other"')).toBe(412)
    expect(await status('If-Unmodified-Since: Wed, 01 Jan 2020 00:00:00 GMT')).toBe(412)
    const range = await curl(port, '/page.html', ['-r', '0-4', '-H', `If-Range: ${tag}`])
    expect([range.status, range.body.toString()]).toEqual([206, page.slice(0, 5)])
    const whole = await curl(port, '/page.html', ['-r', '0-4', '-H', 'If-Range: "other"'])
    expect([whole.status, whole.body.toString()]).toEqual([200, page])
  })

  test('compressed on the way, without a length', async () => {
    const { port } = await startFiles()
    const packed = await curl(port, '/page.html', ['--compressed'])
    expect(packed.body.toString()).toBe(page)
    expect(packed.heads).toMatch(/^content-encoding: gzip\r$/im)
    expect(packed.heads).toMatch(/^transfer-encoding: chunked\r$/im)
    expect(packed.heads).toMatch(/^vary: accept-encoding\r$/im)
    const plain = await curl(port, '/page.html')
    expect(plain.body.toString()).toBe(page)
    expect(plain.heads).not.toMatch(/^content-encoding:/im)
  })

  test('what is not there, what has moved, what may not be had', async () => {
    const { port, gateway } = await startFiles()
    const missing = await curl(port, '/missing')
    expect([missing.status, missing.body.includes('404 Not Found')]).toEqual([404, true])
    const folder = await curl(port, '/folder')
    expect(folder.status).toBe(301)
    expect(folder.heads).toMatch(/^location: \/folder\/\r$/im)
    expect((await curl(port, '/folder/')).status).toBe(403)
    expect((await curl(port, '/large', ['-X', 'POST', '-d', 'x'])).status).toBe(405)
    expect(gateway.log.filter(({ msg, outcome }) => msg === 'request' && outcome !== '')).toEqual([])
  })

  test('an upload is in the file, whether or not its length was known', async () => {
    const { port, folder } = await startFiles()
    const file = uploadFile(large)
    const sized = await curl(port, '/put/sized', ['-T', file])
    expect([sized.code, sized.status]).toEqual([0, 201])
    // It expects a 100, and has it.
    expect(sized.heads).toMatch(/^HTTP\/1.1 100 /)
    const chunked = await curl(port, '/put/chunked', ['-T', file, '-H', 'Transfer-Encoding: chunked', '-H', 'Expect:'])
    expect([chunked.code, chunked.status]).toEqual([0, 201])
    for (const name of ['sized', 'chunked']) expect(digest(readFileSync(join(folder, 'put', name)))).toBe(digest(large))
  })

  test('an upload that is too large is refused before it is sent', async () => {
    const { port, gateway } = await startFiles()
    const result = await curl(port, '/put/tiny/large', ['-T', uploadFile(large)])
    expect([result.code, result.status]).toEqual([0, 413])
    expect(result.heads).not.toMatch(/^HTTP\/1.1 100 /)
    const record = await gateway.record(({ msg }) => msg === 'request')
    expect([record.status, record.bytesIn]).toEqual([413, 0])
  })

  test('a server that closes without an answer is a 502, asked twice where that is safe', async () => {
    const { port, gateway } = await startFiles()
    expect((await curl(port, '/closed')).status).toBe(502)
    expect((await curl(port, '/closed', ['-d', 'x'])).status).toBe(502)
    const records = gateway.log.filter(({ msg }) => msg === 'request')
    expect(records.map(({ outcome }) => outcome)).toEqual(['UC', 'UC'])
  })
})

interface Files {
  readonly port: number
  readonly gateway: TestGateway
  /** What nginx serves. */
  readonly folder: string
}

async function startFiles(): Promise<Files> {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'large'), large)
  writeFileSync(join(folder, 'page.html'), page)
  mkdirSync(join(folder, 'folder'))
  mkdirSync(join(folder, 'put', 'tiny'), { recursive: true })
  const { port } = await startNginx(`
    root ${folder};
    absolute_redirect off;
    client_max_body_size 0;
    types { text/html html; }
    # By default nothing is packed that is asked for with Via.
    gzip on; gzip_vary on; gzip_proxied any;
    location /put/ { dav_methods PUT; }
    location /put/tiny/ { dav_methods PUT; client_max_body_size 1k; }
    location /closed { return 444; }`)
  const gateway = await startInProcess(httpConfig([port]))
  return { port: gateway.port('web'), gateway, folder }
}
