/** What the code of a gateway is about, by its folder; the first that fits. */
const folders: readonly (readonly [RegExp, string])[] = [
  [/\/core\/(http1|http|net)\//, 'HTTP codec and connections'],
  [/\/core\/telemetry\//, 'log'],
  [/\/core\/(process|guard)\//, 'watchdog and crash slot'],
  [/\/core\/(sandbox|hooks|grants)\//, 'sandbox and hooks, outside of the isolate'],
  [/\/core\//, 'flow, routing, balance'],
]

const compiler = /^v8::internal::(compiler|maglev|interpreter|baseline|parsing|Compiler|Optimiz|Parser|wasm)/
const collector =
  /^v8::internal::(Heap::|\w*(MarkCompact|Scaveng|MinorMark|Sweep|Marking|Marker|Evacuat|GarbageCollect)|heap::)/

/** What a frame of a stack says about all that it has called; the first that fits. */
const frames: readonly (readonly [RegExp, string])[] = [
  [/^(sock_write_iter|sock_sendmsg|__sys_send)/, 'kernel: writes to sockets'],
  // The only file that is written at a position.
  [/pwrite64$/, 'kernel: crash slot'],
  [/^(__x64_|__arm64_|__se_)?(k?sys_)(write|writev|send)/, 'kernel: other writes, the log first of all'],
  [/^(__x64_|__arm64_|__se_)?(k?sys_)(p?read|readv|pread64|recv)/, 'kernel: reads'],
  [/^(__x64_|__arm64_|__se_)?(do_)?(k?sys_)?epoll_/, 'kernel: polling'],
  [/^(do_syscall_64|entry_SYSCALL_64\w*|el0_svc\w*|asm_\w+|ret_from_fork\w*)$/, 'kernel: other'],
  [/ (postern|plugin):\/\//, 'plugins, inside of the isolate'],
  [/isolated_vm|ivm::|^v8::ScriptCompiler|SyncCall|ThreePhaseTask/, 'crossing into the isolate'],
  [/^(node::|uv_|__GI_)/, 'Node: streams and event loop in C++'],
  [/ node:/, 'Node: net, streams and timers in JavaScript'],
  ...folders,
]

/**
 * Which part of the program runs, by who is the nearest on the stack: what V8 does by itself, it does for its caller.
 *
 * @param isMain whether it is the thread that has the event loop.
 */
export function partOf(stack: readonly string[], isMain: boolean): string {
  if (stack.some((frame) => compiler.test(frame))) return 'compiling JavaScript'
  if (stack.some((frame) => collector.test(frame))) return 'garbage collection'
  if (!isMain) return 'watchdog thread and other threads'
  for (const frame of stack) {
    const part = frames.find(([name]) => name.test(frame))?.[1]
    if (part !== undefined) return part
  }
  return 'V8, for no part in particular'
}
