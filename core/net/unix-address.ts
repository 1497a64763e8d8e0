/** What the address of a Unix socket begins with; its path follows. */
const scheme = 'unix:'

/** Longest path of a Unix socket, bytes: `sun_path` of Linux has 108, and a NUL at its end. */
const longest = 107

/** The path in the address of a Unix socket; `undefined`: it is the address of something else. */
export function unixPath(address: string): string | undefined {
  return address.startsWith(scheme) ? address.slice(scheme.length) : undefined
}

/** Why a path cannot be that of a Unix socket. */
export function unixPathProblem(path: string): string | undefined {
  if (!path.startsWith('/') || path.length === 1) return 'write an absolute path, as in "unix:/run/app.sock"'
  const bytes = Buffer.byteLength(path)
  if (bytes > longest) return `the path has ${bytes} bytes; that of a Unix socket has at most ${longest}`
  return path.includes('\0') ? 'the path has a NUL' : undefined
}
