/** Most bytes that node reads in one read. */
export const size: number = 64 * 1024

/** A read of more bytes than this is lent, not copied. */
export const bulk: number = 16 * 1024

/** Memory that all sockets of this process read small messages into: a read is processed before the next one begins. */
export const common: Buffer = Buffer.allocUnsafeSlow(size)

/** Most pieces of memory that are kept for later reads. */
const maxSpare = 64

const spare: Buffer[] = []

/**
 * Memory for one read. Allocating it for each read made the garbage collector mark the heap repeatedly and the system
 * allocate pages: two thirds of the cost of bodies of 10 MB and of 100 KB, 1.84 and 2.24 s/GB of CPU time instead of 0.64
 * and 0.81.
 */
export function takeMemory(): Buffer {
  return spare.pop() ?? Buffer.allocUnsafeSlow(size)
}

/** Returns memory of `takeMemory` that is no longer used. A part of such memory, or any other memory, is ignored. */
export function giveMemory(memory: Buffer): void {
  if (memory.length === size && memory.byteOffset === 0 && spare.length < maxSpare) spare.push(memory)
}
