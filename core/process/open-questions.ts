import type { Answer, Question, QuestionKind } from './channel.ts'

interface OpenQuestion {
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
}

/**
 * The questions to one worker that have no answer yet, by id. There can be any number, and the answers can arrive in
 * any order.
 */
export class OpenQuestions {
  readonly #send: (id: number, question: Question) => void
  readonly #open = new Map<number, OpenQuestion>()
  #lastId = 0
  #failure: Error | undefined

  constructor(send: (id: number, question: Question) => void) {
    this.#send = send
  }

  /** Number of questions without an answer. */
  get size(): number {
    return this.#open.size
  }

  /** Resolves with the answer. Rejects when the worker exits before it has answered, or has already exited. */
  ask<K extends QuestionKind>(question: Question<K>): Promise<Answer<K>> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise<Answer>((resolve, reject) => {
      const id = ++this.#lastId
      this.#open.set(id, { resolve, reject })
      this.#send(id, question as Question)
    }) as Promise<Answer<K>>
  }

  /** Settles the question that an answer belongs to; an answer without an open question is ignored. */
  answer(id: number, answer: Answer): void {
    this.#open.get(id)?.resolve(answer)
    this.#open.delete(id)
  }

  /** Rejects all open questions and all later ones. */
  fail(error: Error): void {
    this.#failure = error
    for (const { reject } of this.#open.values()) reject(error)
    this.#open.clear()
  }
}
