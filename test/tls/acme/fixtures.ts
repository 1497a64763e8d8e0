import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { AcmeConfig } from '../../../core/acme/acme-config.ts'
import { acmeId } from '../../../core/acme/acme-id.ts'

/** A folder that is gone when the test is. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-acme-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 }))
  return folder
}

export function acmeConfig(
  storage: string,
  names: readonly string[] = ['a.example'],
  more: Partial<AcmeConfig> = {},
): AcmeConfig {
  const directory = 'https://ca.example/directory'
  const id = acmeId(directory, names)
  return { id, names, email: 'admin@a.example', storage, directory, challenge: 'http-01', ...more }
}

export interface LogLine {
  readonly level: string
  readonly event: string
  readonly facts: Record<string, unknown>
}

/** A log that a test reads. */
export function recordingLog() {
  const lines: LogLine[] = []
  const at =
    (level: string) =>
    (event: string, facts: Record<string, unknown>): void =>
      void lines.push({ level, event, facts })
  return { lines, info: at('info'), warn: at('warn'), error: at('error') }
}
