import type { AcmeConfig } from '../acme/acme-config.ts'
import type { Path } from '../config/problem.ts'
import { beginsWithTls } from '../config/protocols.ts'
import type { ReferenceContext } from '../config/references.ts'
import { asList, asObject } from '../config/untyped.ts'
import type { ServerTlsConfig } from '../tls/server-config.ts'
import { newServerContext } from '../tls/server-context.ts'
import { AcmeCheck } from './acme.ts'
import { CertificateCheck } from './certificates.ts'
import { readClientRules } from './client-certificates.ts'
import type { Draft } from './draft.ts'
import type { Hazard } from './hazards.ts'
import { stapled } from './staple.ts'

export interface ServerTlsCheck {
  /** By name of the listener. */
  readonly byListener: ReadonlyMap<string, ServerTlsConfig>
  /** What is ordered for all listeners. */
  readonly acme: readonly AcmeConfig[]
  readonly warnings: readonly Hazard[]
}

/** What the schema has left of `tls` of a listener. */
interface Written extends Omit<ServerTlsConfig, 'certificates' | 'clientCertificate'> {
  readonly certificates: unknown
  readonly clientCertificate?: unknown
  readonly staple?: unknown
}

/** Reads and judges what listeners need for TLS: the workers get nothing that OpenSSL could refuse. */
export function checkServerTls(draft: Draft, context: ReferenceContext): ServerTlsCheck {
  const byListener = new Map<string, ServerTlsConfig>()
  const warnings: Hazard[] = []
  const warn = (path: Path, message: string): void => void warnings.push({ path, message })
  const acme = new AcmeCheck(draft, context, warn)
  for (const [name, value] of Object.entries(asObject(draft.data.listeners))) {
    const { protocol, tls } = asObject(value)
    const at = ['listeners', name, 'tls']
    if (!beginsWithTls(protocol) || typeof tls !== 'object' || tls === null) continue
    const check = new CertificateCheck(draft, context, acme, warn)
    const {
      certificates: list,
      minVersion,
      ciphers,
      groups,
      tickets,
      strict,
      staple,
      clientCertificate,
      starttls,
      plain,
    } = tls as Written
    checkStarttls(draft, protocol, asObject(tls), at)
    const judged = asList(list).flatMap((one, index) => check.judge(one, [...at, 'certificates', index], index) ?? [])
    const certificates = stapled(draft, context, judged, staple, [...at, 'staple'], warn)
    const clients =
      clientCertificate === undefined
        ? undefined
        : readClientRules(draft, context, clientCertificate, [...at, 'clientCertificate'], warn)
    if (draft.problems.touches(draft.source, at)) continue
    const optional = { ...(ciphers !== undefined && { ciphers }), ...(groups !== undefined && { groups }) }
    const asked = { ...(starttls !== undefined && { starttls, plain: plain === true }) }
    const rules = clients === undefined ? {} : { clientCertificate: clients }
    const config = { certificates, minVersion, ...optional, tickets, strict, ...rules, ...asked }
    checkSettings(draft, at, config)
    byListener.set(name, config)
  }
  return { byListener, acme: acme.configs, warnings }
}

function checkStarttls(
  { source, problems }: Draft,
  protocol: unknown,
  tls: Readonly<Record<string, unknown>>,
  at: Path,
): void {
  if (tls.starttls !== undefined && protocol === 'https') {
    problems.add(source, [...at, 'starttls'], 'https clients begin with TLS; remove it, or use "protocol": "tls"')
  }
  if (tls.plain !== undefined && tls.starttls === undefined) {
    problems.add(source, [...at, 'plain'], 'is for clients that ask for TLS; add "starttls": "postgres", or remove it')
  } else if (tls.plain === true && asObject(tls.clientCertificate).mode === 'require') {
    problems.add(
      source,
      [...at, 'plain'],
      'clients without TLS show no certificate, and "clientCertificate" requires one',
    )
  }
}

/** Asks OpenSSL about each setting alone, so that its answer is about that one. */
function checkSettings({ source, problems }: Draft, at: Path, config: ServerTlsConfig): void {
  const { minVersion, ciphers, groups } = config
  const settings = { minVersion, tickets: false, sessionIdContext: '' }
  const known = { ciphers: 'ciphers', groups: 'groups' } as const
  for (const [field, value] of Object.entries({ ciphers, groups })) {
    if (value === undefined) continue
    try {
      newServerContext([], { ...settings, [field]: value })
    } catch {
      const what = known[field as keyof typeof known]
      problems.add(source, [...at, field], `OpenSSL knows none of these ${what}, or not all of them`)
    }
  }
}
