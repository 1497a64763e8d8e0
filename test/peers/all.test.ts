import { expect, test } from 'vitest'
import { httpConfig, startGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { startApp } from './app.ts'
import { exchangeAll } from './exchanges.ts'
import { startHaproxy } from './haproxy.ts'
import { describeWith } from './needs.ts'
import { nginxProxyTo, startNginx } from './nginx.ts'

describeWith(['curl', 'nginx', 'haproxy'], 'curl → HAProxy → the binary → nginx → application', () => {
  test('every kind of exchange, byte for byte', async () => {
    const app = await startApp()
    const behind = await startNginx(...nginxProxyTo(app.port))
    const gateway = await startGateway(
      httpConfig([behind.port], { listeners: { web: { trustedProxies: ['127.0.0.1'] } } }),
    )
    const front = await startHaproxy(gateway.port('web'))
    await exchangeAll(front.port, app, '/stream')
    const requests = () => gateway.log.filter(({ msg }) => msg === 'request')
    await until('the records', () => requests().length === app.seen.length)
    expect(requests().filter(({ outcome }) => outcome !== '')).toEqual([])
    expect(app.seen.at(-1)!.headers['x-forwarded-for']).toBe('127.0.0.1, 127.0.0.1, 127.0.0.1')
  })
})
