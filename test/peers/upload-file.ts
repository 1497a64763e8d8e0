import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from './peer.ts'

/** A file for curl to send; gone when the test is. */
export function uploadFile(bytes: Uint8Array): string {
  const file = join(temporaryFolder(), 'upload')
  writeFileSync(file, bytes)
  return file
}
