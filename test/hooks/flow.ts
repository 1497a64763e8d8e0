import type { HookFlow } from '../../core/hooks/chain.ts'
import type { ResponseView } from '../../core/hooks/scopes.ts'
import { Fields } from '../../core/http/fields.ts'
import type { Sandbox } from '../../core/sandbox/plugin.ts'

/** The flow of a request that is no more than its facts. */
export interface TestFlow extends HookFlow {
  /** What goes to the client; set by the test, or by its `replaceResponse`. */
  response: (ResponseView & { readonly fields: Fields }) | undefined
}

/** @param headers of the request, name and value in turn. Default: none. @param rest replaces parts of it. */
export function requestFlow(sandbox: Sandbox, headers: string[] = [], rest: Partial<HookFlow> = {}): TestFlow {
  const fields = new Fields(headers)
  const request = {
    id: 'r',
    method: 'GET',
    scheme: 'http',
    host: 'h',
    path: '/x',
    query: '',
    full: '/',
    fields,
    consumer: undefined as string | undefined,
  }
  const flow: TestFlow = {
    response: undefined,
    facts: {
      layer: 'L7',
      id: 'r',
      clientIp: '192.0.2.1',
      clientPort: 1,
      peerIp: '192.0.2.1',
      localPort: 80,
      tls: undefined,
      listenerName: 'web',
      routeName: undefined,
      upstreamName: undefined,
      request,
      get response() {
        return flow.response
      },
      backend: undefined,
      candidates: [],
      outcome: '',
      requestFields: fields,
      get responseFields() {
        return flow.response?.fields
      },
      get consumer() {
        return request.consumer
      },
      set consumer(name) {
        request.consumer = name
      },
      states: [],
      upstreamProblem: () => undefined,
      useUpstream: () => {},
    },
    sandbox,
    ended: false,
    reached: 0,
    awaited: undefined,
    onHook: () => {},
    replaceResponse: () => {},
    ...rest,
  }
  return flow
}
