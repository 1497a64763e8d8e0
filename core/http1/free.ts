/**
 * What the receiver of a piece of a body returns when nobody looks at the piece any more: its memory is read into again.
 * Whoever returns anything else may keep it. A value of its own, since a `true` is easily returned without a thought.
 */
export const FREE: unique symbol = Symbol('free')

export type Freed = typeof FREE
