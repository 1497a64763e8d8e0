/** Why a message is refused. A request is answered with `status` (default: 400); for a response only `problem` is used. */
export class Malformed {
  readonly problem: string
  readonly status: number
  /** What the client is told beside the title. */
  readonly detail: string | undefined

  constructor(problem: string, status = 400, detail?: string) {
    this.problem = problem
    this.status = status
    this.detail = detail
  }
}
