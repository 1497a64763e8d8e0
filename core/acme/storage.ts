import { createHash, createPrivateKey } from 'node:crypto'
import { readdirSync, readFileSync, renameSync } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { AcmeConfig } from './acme-config.ts'
import { type Bundle, factsOf, type IssuedCertificate, namesCovered, splitBundle } from './issued-certificate.ts'

/** Orders that failed since the last one that succeeded. Kept on disk: a gateway that restarts often must not order as often. */
export interface Failures {
  readonly count: number
  /** The next order is not earlier, ms since 1970. */
  readonly retryAt: number
  readonly problem: string
  /** The last of them had not ended when this was written: it fails unless this is written again. */
  readonly underWay?: true
}

/** The log, as far as it is used here. */
export type AcmeLog = Record<'info' | 'warn' | 'error', (event: string, facts: Record<string, unknown>) => void>

/** Only this user may read the files: they hold private keys. */
const mode = { file: 0o600, folder: 0o700 }

/**
 * What is kept on disk for an entry: `example.com-<id>.pem` has a private key and its certificates,
 * `example.com-<id>.failures.json` what has failed since, `account-<hash>.key` the key of the account. A file is replaced as a
 * whole, so a crash leaves the old one or the new one. A broken one is moved aside, and counts as missing.
 *
 * Methods throw what the file system says, so that nothing is ordered that could not be stored.
 */
export class AcmeStorage {
  readonly #config: AcmeConfig
  readonly #log: AcmeLog

  constructor(config: AcmeConfig, log: AcmeLog) {
    this.#config = config
    this.#log = log
  }

  get #name(): string {
    return join(this.#config.storage, `${this.#config.names[0]}-${this.#config.id}`)
  }

  get #accountFile(): string {
    const { directory, email, storage } = this.#config
    return join(storage, `account-${shortHash([directory, email])}.key`)
  }

  /** Where failures are noted; without the file the next order comes immediately. */
  get failuresFile(): string {
    return `${this.#name}.failures.json`
  }

  /** The certificate of the entry, or else one of another entry that serves until the right one is issued. */
  certificate(): IssuedCertificate | undefined {
    const { id } = this.#config
    const bundle = this.#read(`${this.#name}.pem`, splitBundle)
    return bundle === undefined ? this.#interim() : { id, ...bundle }
  }

  /** When names are added or removed, those that the previous certificate has must not be without one. */
  #interim(): IssuedCertificate | undefined {
    const { id, names, storage } = this.#config
    let best: { readonly rank: number; readonly bundle: Bundle } | undefined
    for (const file of list(storage)) {
      const bundle = file.endsWith('.pem') ? tryRead(join(storage, file)) : undefined
      if (bundle === undefined) continue
      const { validTo } = factsOf(bundle.cert)
      const covered = namesCovered(bundle.cert, names)
      // Of those with as many names the one that lasts longest.
      const rank = covered + validTo / 1e15
      if (covered > 0 && validTo > Date.now() && (best === undefined || rank > best.rank)) best = { rank, bundle }
    }
    return best && { id, ...best.bundle, interim: true }
  }

  saveCertificate({ cert, key }: Bundle): Promise<void> {
    return this.#write(`${this.#name}.pem`, `${key.trimEnd()}\n${cert.trimEnd()}\n`)
  }

  /** The private key of the account at the CA, PEM. */
  accountKey(): string | undefined {
    return this.#read(this.#accountFile, (text) => {
      createPrivateKey(text)
      return text
    })
  }

  saveAccountKey(key: string): Promise<void> {
    return this.#write(this.#accountFile, key)
  }

  failures(): Failures | undefined {
    return this.#read(this.failuresFile, (text) => {
      const { count, retryAt, problem, underWay } = JSON.parse(text) as Partial<Failures>
      if (!Number.isSafeInteger(count) || !Number.isSafeInteger(retryAt)) throw new Error('it has no numbers')
      return { count: count!, retryAt: retryAt!, problem: String(problem), ...(underWay && { underWay }) }
    })
  }

  /** @param failures `undefined`: there are none any more. */
  async saveFailures(failures: Failures | undefined): Promise<void> {
    if (failures === undefined) return rm(this.failuresFile, { force: true })
    await this.#write(this.failuresFile, `${JSON.stringify(failures)}\n`)
  }

  #read<T>(file: string, parse: (text: string) => T): T | undefined {
    const text = readIfExists(file)
    if (text === undefined) return undefined
    try {
      return parse(text)
    } catch (error) {
      renameSync(file, `${file}.broken`)
      this.#log.warn('acme: broken file moved aside', { file: `${file}.broken`, problem: (error as Error).message })
      return undefined
    }
  }

  async #write(file: string, text: string): Promise<void> {
    const folder = dirname(file)
    await mkdir(folder, { recursive: true, mode: mode.folder })
    const unfinished = join(folder, `.${basename(file)}.${process.pid}`)
    await rm(unfinished, { force: true })
    const handle = await open(unfinished, 'wx', mode.file)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(unfinished, file)
    await sync(folder)
  }
}

/** The new name of a file survives a power failure once its folder is on disk. */
async function sync(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function readIfExists(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** The folder may have files that are not the gateway's. */
function tryRead(file: string): Bundle | undefined {
  try {
    return splitBundle(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function shortHash(values: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(values)).digest('hex').slice(0, 12)
}
