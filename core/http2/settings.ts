import { ErrorCode, initialWindow, max31, maxFrame, maxList, maxResponseList, maxStreams } from './frames.ts'

const HEADER_TABLE_SIZE = 1
const ENABLE_PUSH = 2
const MAX_CONCURRENT_STREAMS = 3
const INITIAL_WINDOW_SIZE = 4
const MAX_FRAME_SIZE = 5
const MAX_HEADER_LIST_SIZE = 6
const ENABLE_CONNECT_PROTOCOL = 8

/** What the peer has said in its SETTINGS (RFC 9113 §6.5.2, RFC 8441 §3). */
export interface PeerSettings {
  /**
   * SETTINGS_HEADER_TABLE_SIZE. When the last SETTINGS named several, the smallest one comes before the last: both are owed a
   * size update (RFC 7541 §4.2).
   */
  readonly tableSizes: readonly number[]
  /** Most streams that it lets this side have open. Default: no limit. */
  readonly maxConcurrentStreams: number
  /** Window that streams to it begin with, bytes. */
  readonly initialWindow: number
  /** Largest header list that it takes, bytes; only advice. Default: no limit. */
  readonly maxHeaderListSize: number
  /** A server: it takes extended CONNECT. */
  readonly enableConnectProtocol: boolean
}

/** What holds before SETTINGS come. */
export const defaultSettings: PeerSettings = {
  tableSizes: [4096],
  maxConcurrentStreams: Number.POSITIVE_INFINITY,
  initialWindow,
  maxHeaderListSize: Number.POSITIVE_INFINITY,
  enableConnectProtocol: false,
}

/** SETTINGS of this side, as `Output.settings` takes them: what differs from the defaults. */
export const serverSettings: readonly number[] = [
  MAX_CONCURRENT_STREAMS,
  maxStreams,
  MAX_HEADER_LIST_SIZE,
  maxList,
  ENABLE_CONNECT_PROTOCOL,
  1,
]

export const clientSettings: readonly number[] = [ENABLE_PUSH, 0, MAX_HEADER_LIST_SIZE, maxResponseList]

/** What is wrong with SETTINGS. */
export interface SettingsProblem {
  readonly code: ErrorCode
  readonly problem: string
}

/**
 * Reads the payload of SETTINGS, whose length has been checked. Unknown identifiers are ignored, later values win.
 *
 * @param isServer whether this side is the server
 * @returns `before` with the changes
 */
export function readSettings(
  bytes: Buffer,
  from: number,
  to: number,
  before: PeerSettings,
  isServer: boolean,
): PeerSettings | SettingsProblem {
  const after = { ...before, tableSizes: before.tableSizes.slice(-1) }
  let smallest = Number.POSITIVE_INFINITY
  for (let at = from; at < to; at += 6) {
    const value = bytes.readUInt32BE(at + 2)
    switch (bytes.readUInt16BE(at)) {
      case HEADER_TABLE_SIZE:
        smallest = Math.min(smallest, value)
        after.tableSizes = smallest < value ? [smallest, value] : [value]
        break
      case ENABLE_PUSH:
        if (value > 1 || (value === 1 && !isServer)) return refused('SETTINGS_ENABLE_PUSH', value)
        break
      case MAX_CONCURRENT_STREAMS:
        after.maxConcurrentStreams = value
        break
      case INITIAL_WINDOW_SIZE:
        if (value > max31) return refused('SETTINGS_INITIAL_WINDOW_SIZE', value, ErrorCode.FLOW_CONTROL_ERROR)
        after.initialWindow = value
        break
      case MAX_FRAME_SIZE:
        if (value < maxFrame || value > 0xffffff) return refused('SETTINGS_MAX_FRAME_SIZE', value)
        break
      case MAX_HEADER_LIST_SIZE:
        after.maxHeaderListSize = value
        break
      case ENABLE_CONNECT_PROTOCOL:
        if (value > 1 || (value === 0 && after.enableConnectProtocol)) {
          return refused('SETTINGS_ENABLE_CONNECT_PROTOCOL', value)
        }
        after.enableConnectProtocol = value === 1
    }
  }
  return after
}

function refused(name: string, value: number, code: ErrorCode = ErrorCode.PROTOCOL_ERROR): SettingsProblem {
  return { code, problem: `${name} is ${value}` }
}
