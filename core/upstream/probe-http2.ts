import type { HealthConfig } from '../config/types.ts'
import type { PosternError } from '../errors.ts'
import { CONSUMED } from '../http/exchange.ts'
import { asValue } from '../http/field-text.ts'
import { Fields } from '../http/fields.ts'
import type { Backend } from './backend.ts'
import type { Verdict } from './health.ts'

/**
 * Sends an HTTP request to a backend that speaks HTTP/2, or may, on a connection of its own.
 *
 * @param done called once, unless the probe is cancelled. Without a verdict it said nothing about the backend.
 */
export function probeHttp2(
  backend: Backend,
  config: HealthConfig,
  done: (verdict: Verdict | undefined) => void,
): { cancel(): void } {
  const { path = '/', status, timeout, method = 'GET' } = config
  const pool = backend.newPool()
  const fields = new Fields(['host', config.host ?? backend.authority, 'user-agent', 'postern-health', 'accept', '*/*'])
  for (const [name, text] of Object.entries(config.headers ?? {})) fields.set(name, asValue(text))
  let isOver = false
  const cancel = (): void => {
    isOver = true
    clearTimeout(timer)
    exchange.cancel()
    pool.close()
  }
  const finish = (verdict: Verdict | undefined): void => {
    if (isOver) return
    cancel()
    done(verdict)
  }
  const failed = ({ code, message }: PosternError): void => {
    const why = `${method} ${path} failed: ${message.replace(`${backend.address}: `, '')}`
    // Without a descriptor nothing was found out.
    finish(code === 'OM' ? undefined : { healthy: false, why })
  }
  const timer = setTimeout(() => finish({ healthy: false, why: `no response within ${timeout} ms` }), timeout)
  const request = { method, target: path, fields, hasBody: false, reuse: 'none' } as const
  const exchange = pool.send(request, timeout, {
    onConnected() {},
    onBodyWanted() {},
    onHead(code) {
      const healthy = status === undefined ? code >= 200 && code < 400 : code === status
      finish({ healthy, why: `${method} ${path} answered ${code}` })
    },
    onData: () => CONSUMED,
    onEnd() {},
    onFail: failed,
  })
  return { cancel }
}
