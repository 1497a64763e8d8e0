import type { AcmeConfig } from './acme-config.ts'
import type { AcmeState } from './acme-state.ts'
import type { IssuedCertificate } from './issued-certificate.ts'
import { type AcmeLog, AcmeStorage } from './storage.ts'

/** For a configuration that is about to be in force: reads the certificates of new entries into the state, and returns them. */
export function takeStored(state: AcmeState, configs: readonly AcmeConfig[], log: AcmeLog): IssuedCertificate[] {
  const found = configs.flatMap((config) => {
    const known = state.certificate(config.id)
    return known !== undefined && !known.interim ? [] : (read(config, log) ?? [])
  })
  state.install(found)
  return found
}

function read(config: AcmeConfig, log: AcmeLog): IssuedCertificate | undefined {
  try {
    return new AcmeStorage(config, log).certificate()
  } catch (error) {
    const { message } = error as Error
    log.error('acme: the stored certificate cannot be read', { names: config.names, problem: message })
    return undefined
  }
}
