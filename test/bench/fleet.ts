import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { BenchBackend } from './backend.ts'
import type { Lab } from './lab.ts'
import type { Work } from './peers/peer.ts'
import { freePort, reachable } from './ports.ts'
import type { Running } from './running.ts'
import type { Subject } from './subject.ts'
import { answersDatagrams, verify } from './verify.ts'

/** A subject that runs. */
export interface Target {
  readonly subject: Subject
  readonly port: number
  readonly process: Running
  /** Where its configuration is. */
  readonly folder: string
}

/** Starts subjects, each in a folder of its own. */
export class Fleet {
  readonly #lab: Lab
  readonly #backend: BenchBackend
  #count = 0

  constructor(lab: Lab, backend: BenchBackend) {
    this.#lab = lab
    this.#backend = backend
  }

  /**
   * Resolves when it answers as its work says.
   *
   * @param connections the most that will be opened.
   * @throws {Error} when it does not start, or does something else: its figures would mean nothing.
   */
  async start(subject: Subject, connections: number): Promise<Target> {
    const { name, peer, work } = subject
    const id = `${this.#count++}-${peer.name.replaceAll(/\W/g, '-')}`
    const folder = join(this.#lab.folder, id)
    mkdirSync(folder)
    const port = await freePort()
    const site = { folder, port, connections, stable: this.#backendOf(work), beta: this.#backend.beta }
    const command = peer.command(work, site)
    const { pinning } = this.#lab
    const process = this.#lab.start(id, command, (work.workers ?? 1) > 1 ? pinning?.wide : pinning?.proxy)
    const isOver = (): boolean => process.hasEnded
    const up = await (work.layer === 'udp' ? answersDatagrams(port, isOver) : reachable(port, isOver))
    if (!up) throw new Error(`${name} does not start: ${process.output()}`)
    await verify(subject, port)
    return { subject, port, process, folder }
  }

  #backendOf({ layer, webSockets, grpc, passthrough }: Work): number {
    const { stable, echo, unary, open, encrypted } = this.#backend
    if (passthrough !== undefined) return encrypted
    if (grpc !== undefined) return grpc === 'unary' ? unary : open
    return webSockets || layer === 'udp' ? echo : stable
  }

  async stop(target: Target): Promise<void> {
    await this.#lab.stop(target.process)
  }
}
