import type { TlsClientTrigger, TlsTrigger } from '../../sdk/when.ts'
import type { ClientCertificate, TlsFacts } from '../net/peer.ts'
import { hostPattern } from '../route/pattern.ts'

/** The parts of the trigger, by the scope whose values they list. */
const parts = ['serverName', 'version', 'cipher', 'alpn'] as const
const clientParts = ['subject', 'issuer', 'serial', 'san', 'fingerprint'] as const

/** The `tls` of a trigger, compiled. */
export interface CompiledTlsTrigger {
  matches(tls: TlsFacts | undefined): boolean
  /** The scopes that the result depends on. */
  readonly reads: readonly string[]
}

/** @param trigger normalised: every text is spelt as the facts spell it, no list is empty. */
export function compileTlsTrigger(trigger: TlsTrigger): CompiledTlsTrigger {
  const { client } = trigger
  const takesName = trigger.serverName && takesServerName(trigger.serverName)
  const agreed = (['version', 'cipher', 'alpn'] as const).flatMap((part) => {
    const list = trigger[part]
    return list === undefined ? [] : [{ part, values: new Set<string | undefined>(list) }]
  })
  const takesClient = client && compileClient(client)
  return {
    matches(tls) {
      if (tls === undefined) return false
      if (takesName !== undefined && !takesName(tls.serverName)) return false
      if (!agreed.every(({ part, values }) => values.has(tls[part]))) return false
      return takesClient === undefined || (tls.client !== undefined && takesClient(tls.client))
    },
    reads: [
      ...parts.filter((part) => trigger[part] !== undefined).map((part) => `tls.${part}`),
      ...(client === undefined ? [] : readsOf(client)),
    ],
  }
}

function takesServerName(names: readonly string[]): (name: string | undefined) => boolean {
  const patterns = names.map((host) => hostPattern({ host }))
  return (name) =>
    name !== undefined && patterns.some(({ kind, text }) => (kind === 'exact' ? name === text : name.endsWith(text)))
}

function compileClient({ verified, san, ...lists }: TlsClientTrigger): (client: ClientCertificate) => boolean {
  const names = san && new Set(san)
  const whole = (['subject', 'issuer', 'serial', 'fingerprint'] as const).flatMap((part) => {
    const list = lists[part]
    return list === undefined ? [] : [{ part, values: new Set(list) }]
  })
  return (client) => {
    if (verified !== undefined && client.verified !== verified) return false
    if (!whole.every(({ part, values }) => values.has(client[part]))) return false
    return names === undefined || client.san.some((name) => names.has(name))
  }
}

/** Whether there is a certificate is known from `verified`, whatever is asked of it. */
function readsOf(client: TlsClientTrigger): string[] {
  const given = clientParts.filter((part) => client[part] !== undefined).map((part) => `tls.client.${part}`)
  return ['tls.client.verified', ...given]
}
