/** Why a message is refused. A request is answered with the status; of a response only the words matter, for the log. */
export class Malformed {
  readonly problem: string
  readonly status: number

  constructor(problem: string, status = 400) {
    this.problem = problem
    this.status = status
  }
}
