import type { RouteConfig } from '../config/types.ts'
import { capturesOf } from '../route/captures.ts'
import { HeaderEdits } from './header-edits.ts'
import { Rewrite } from './rewrite.ts'
import { type Template, templateOf } from './template.ts'

/** What a route changes of its requests and responses, compiled. */
export interface Shape {
  /** See `capturesOf`. */
  readonly captures: ReadonlyMap<string, number>
  readonly rewrite: Rewrite | undefined
  /** Location of its redirect. */
  readonly redirect: Template | undefined
  readonly request: HeaderEdits | undefined
  readonly response: HeaderEdits | undefined
}

/** `undefined`: the route changes nothing, and its path has no captures. */
export function shapeOf({ match, reply, rewrite, headers }: RouteConfig): Shape | undefined {
  const captures = capturesOf(match.path)
  const redirect = reply?.redirect
  if (rewrite === undefined && headers === undefined && redirect === undefined && captures.size === 0) return undefined
  return {
    captures,
    redirect: redirect === undefined ? undefined : templateOf(redirect, 'url'),
    rewrite: rewrite && new Rewrite(rewrite),
    request: headers?.request && new HeaderEdits(headers.request),
    response: headers?.response && new HeaderEdits(headers.response),
  }
}
