/** Why a message is refused. A request is answered with `status` (default: 400); for a response only `problem` is used. */
export class Malformed {
  readonly problem: string
  readonly status: number

  constructor(problem: string, status = 400) {
    this.problem = problem
    this.status = status
  }
}
