import type { Limits } from './plugin.ts'

/** What a plugin may use up when the configuration says nothing else. */
export const defaultLimits: Limits = { time: 20, memory: 64, wait: 5_000, operations: 64 }
