import { dirname, resolve } from 'node:path'
import type { CheckedConfig, CheckedPolicy } from '../config/checked.ts'
import type { Problem } from '../config/problem.ts'
import { Problems } from '../config/problems.ts'
import { resolveReferences } from '../config/references.ts'
import { Secrets } from '../config/secrets.ts'
import { readSource } from '../config/source.ts'
import { asObject } from '../config/untyped.ts'
import { type Attachment, findAttachments } from './attachments.ts'
import { checkCross } from './cross.ts'
import type { Draft } from './draft.ts'
import { publishedSchema } from './gateway-schema.ts'
import { checkAttachment, checkLayers } from './layers.ts'
import { checkLimits, checkWriteLimits } from './limits.ts'
import { normalizeConfig } from './normalize.ts'
import { type PluginLoader, sandboxLoader } from './plugin-loader.ts'
import { Plugins, type PolicyFacts } from './plugins.ts'
import { findPolicies, type PolicyDraft } from './policies.ts'
import { checkServerTls } from './server-tls.ts'
import { checkShaping } from './shaping.ts'
import { checkSockets } from './sockets.ts'
import { checkUpstreamTls } from './upstream-tls.ts'
import { findWarnings } from './warnings.ts'

export type CheckResult = CheckedConfig | { readonly ok: false; readonly problems: readonly Problem[] }

export interface CheckOptions {
  /** The variables of `${env:NAME}`. Default: `process.env`. */
  readonly env?: NodeJS.ProcessEnv
  /** Whether variables and files that the configuration refers to must exist. Default: yes. */
  readonly mustExist?: boolean
  /** How plugins are built and inspected. Default: in the sandbox. */
  readonly loader?: PluginLoader
}

/**
 * Reads a configuration and reports every problem in one run: read → references → schema → names → plugins and their
 * options → layers. Each step skips the paths at which an earlier step found a problem, so no mistake is reported twice.
 *
 * @param file the configuration; policies, plugins and `${file:…}` are relative to its folder
 */
export async function checkConfig(file: string, options: CheckOptions = {}): Promise<CheckResult> {
  const absolute = resolve(file)
  const secrets = new Secrets()
  const problems = new Problems(secrets)
  const files = new Set([absolute])
  const folder = dirname(absolute)
  const { env = process.env, mustExist = true } = options
  const context = { env, folder, secrets, problems, files, mustExist, whole: new Map() }

  const source = readSource(absolute, problems, 'the file does not exist; -c or POSTERN_CONFIG names the configuration')
  if (source.value === undefined) return { ok: false, problems: problems.list }

  problems.nextStep()
  const resolved = resolveReferences(source, context, ([section, , field, ...below]) => {
    return section === 'policies' && field === 'options' && below.length === 0
  })

  problems.nextStep()
  for (const { path, message } of publishedSchema('gateway')(resolved, context.whole)) {
    problems.add(source, path, message)
  }
  const draft: Draft = { source, data: asObject(resolved), problems }
  const attachments = findAttachments(draft.data)
  const found = findPolicies(draft, attachments, context, publishedSchema('policy'))

  problems.nextStep()
  checkCross(draft)
  const upstreamTls = checkUpstreamTls(draft, context)
  const tls = checkServerTls(draft, context)
  const facts = await checkPolicies(draft, found, new Plugins(draft, options.loader ?? sandboxLoader, context))

  problems.nextStep()
  checkLayers(draft)
  checkShaping(draft)
  checkLimits(draft)
  checkWriteLimits(draft)
  checkSockets(draft)
  checkAttachments(draft, attachments, facts)
  if (problems.count > 0) return { ok: false, problems: problems.list }

  const data = new Map([...found].map(([name, policy]) => [name, policy.data]))
  const config = deepFreeze(
    normalizeConfig(resolved, data, source.keysOf(['routes']), tls.byListener, upstreamTls, tls.acme),
  )
  const policies = new Map<string, CheckedPolicy>()
  for (const [name, { plugin, options, scopes, limits, fetch, group }] of facts) {
    const { onFailure } = config.policies[name]!
    policies.set(name, deepFreeze({ name, plugin, options, scopes, onFailure, limits, fetch, group }))
  }
  const warnings = findWarnings(draft, config, attachments, facts, secrets, tls.warnings)
  return { ok: true, config, policies, warnings, secrets: secrets.list, files: [...files] }
}

async function checkPolicies(
  { problems }: Draft,
  found: ReadonlyMap<string, PolicyDraft>,
  plugins: Plugins,
): Promise<ReadonlyMap<string, PolicyFacts>> {
  const facts = new Map<string, PolicyFacts>()
  try {
    plugins.checkEntries()
    problems.nextStep()
    for (const [name, policy] of found) {
      const checked = await plugins.check(policy)
      if (checked !== undefined) facts.set(name, checked)
    }
  } finally {
    await plugins.close()
  }
  return facts
}

function checkAttachments(
  draft: Draft,
  attachments: readonly Attachment[],
  facts: ReadonlyMap<string, PolicyFacts>,
): void {
  const seen = new Map<string, Attachment>()
  for (const attachment of attachments) {
    const { policy, level, name, path } = attachment
    const key = JSON.stringify([level, name, policy])
    if (seen.has(key)) draft.problems.add(draft.source, path, `policy "${policy}" is already in this list; keep one`)
    seen.set(key, attachment)
    const known = facts.get(policy)
    if (known !== undefined) checkAttachment(draft, attachment, known)
  }
}

/** Freezes plain data deeply and returns it. */
function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const part of Object.values(value)) deepFreeze(part)
  }
  return value
}
