import type { Limits } from './plugin.ts'

/** Limits of a plugin for which the configuration sets none. */
export const defaultLimits: Limits = { time: 20, memory: 64, wait: 5_000, operations: 64 }
