import { open } from '../helpers/client.ts'
import type { TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/until.ts'
import { collect, type Received } from '../http1/raw-backend.ts'

/** What went over a wire, without the lines that the gateway adds to every message. */
export function plain(bytes: string): string {
  return bytes.replace(/(?:x-forwarded-[a-z]+|x-real-ip|forwarded|x-request-id|via|date): [^\r]*\r\n/g, '')
}

/** The one access record, once the request is over. */
export async function accessRecord({ record }: Pick<TestGateway, 'record'>): Promise<Record<string, unknown>> {
  return record(({ msg }) => msg === 'request')
}

/** Sends bytes on a connection of their own, and waits until what came back ends so, or matches. */
export async function exchange(port: number, bytes: string, end: string | RegExp): Promise<Received> {
  const client = await open(port)
  const got = collect(client)
  client.write(bytes, 'latin1')
  await arrived(got, end)
  return got
}

export async function arrived(got: Received, end: string | RegExp): Promise<void> {
  await until(
    () => `${end}, after ${JSON.stringify(got.text)}`,
    () => (typeof end === 'string' ? plain(got.text).endsWith(end) : end.test(got.text)),
  )
}
