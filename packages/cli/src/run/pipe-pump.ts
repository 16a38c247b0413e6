// The quick way from a pipe to our output. A Node stream takes new memory for each chunk and hands it on through queues;
// here three pieces of memory take turns, and what the reader has room for is written at once.
import { constants, fstatSync, openSync, type Stats, statSync, writeSync, writevSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import type { Masker, MaskingStream } from '@keyhold/masking'
import { descriptorStream, endWhenSilent, type Pump } from './output.ts'

const BUFFERS = 3
/** Room before a chunk for what was held back before it, so that both are one write. */
const HEADROOM_BYTES = 64
/** 15 pages: a pipe of 16 takes it whole. */
const BUFFER_BYTES = 15 * 4096
const SHORT_BYTES = 4 * 4096
const LONG_BYTES = 128 * 1024

/**
 * Moves a pipe's bytes through the masker to a descriptor, no faster than they are read there.
 * @param masker is asked for at the first byte: a command that prints nothing needs none.
 */
export function pumpPipe(from: number, masker: () => Masker, to: number): Pump {
  let masking: MaskingStream | undefined
  const output = new DirectOutput(to)
  // Most commands write little; memory that makes a long stream quick takes a few ms to make.
  let buffers: Buffer[] = Array.from({ length: BUFFERS }, () => Buffer.allocUnsafeSlow(SHORT_BYTES))
  let isLong = false
  let bytesRead = 0
  let free = BUFFERS
  let next = 0
  let lastReadAt = performance.now()
  let isOver = false
  const { promise: done, resolve } = Promise.withResolvers<void>()

  const send = (pieces: readonly Uint8Array[]) => {
    try {
      output.write(pieces)
    } catch {
      fail()
    }
  }
  const reader = new Socket({
    fd: from,
    readable: true,
    writable: false,
    onread: {
      buffer: () => buffers[next]!.subarray(HEADROOM_BYTES), // below BUFFERS
      callback(length, chunk) {
        lastReadAt = performance.now()
        bytesRead += length
        if (isOver) return true
        masking ??= masker().stream()
        send(joinFirst(masking.write(chunk.subarray(0, length)), buffers[next]!))
        if (output.isBehind) {
          // The output still needs this piece of memory, and maybe those before it.
          next = (next + 1) % BUFFERS
          free--
        } else if (!isLong && bytesRead > LONG_BYTES) {
          isLong = true
          buffers = buffers.map(() => masker().takeBuffer().subarray(0, BUFFER_BYTES))
        }
        return free > 0
      },
    },
  } as ConstructorParameters<typeof Socket>[0])
  const end = () => {
    if (isOver) return
    isOver = true
    if (masking) send(masking.end())
    output.end(resolve)
  }
  const fail = () => {
    // The reader has gone. Closing our end tells the child at its next write, as it would without us.
    isOver = true
    reader.destroy()
    resolve()
  }
  output.onCaughtUp = () => {
    free = BUFFERS
    if (!isOver) reader.resume()
  }
  output.onError = fail
  reader.on('end', end)
  reader.on('close', end)
  reader.on('error', end)
  reader.resume()
  return {
    done,
    childEnded: () =>
      endWhenSilent({
        done,
        isOver: () => isOver,
        isPaused: () => free === 0,
        lastReadAt: () => lastReadAt,
        end() {
          end()
          reader.destroy()
        },
      }),
  }
}

/** Puts a short first piece in front of the second, where that one begins the chunk. */
function joinFirst(pieces: readonly Uint8Array[], buffer: Buffer): readonly Uint8Array[] {
  const [first, second, ...others] = pieces
  if (first === undefined || second === undefined || first.length > HEADROOM_BYTES) return pieces
  if (second.buffer !== buffer.buffer || second.byteOffset !== buffer.byteOffset + HEADROOM_BYTES)
    return pieces
  const start = HEADROOM_BYTES - first.length
  buffer.set(first, start)
  return [buffer.subarray(start, HEADROOM_BYTES + second.length), ...others]
}

/** Writes at once what a descriptor takes without waiting, and the rest when it can. */
class DirectOutput {
  onCaughtUp: () => void = () => {}
  onError: () => void = () => {}
  readonly #direct: number | undefined
  readonly #later: Writable
  #pending = 0

  constructor(fd: number) {
    const status = fstatSync(fd)
    const own = status.isFIFO() ? openAnew(fd) : undefined
    this.#direct = own ?? (neverWaits(status) ? fd : undefined)
    this.#later =
      own === undefined ? descriptorStream(fd) : new Socket({ fd: own, readable: false, writable: true })
    this.#later.on('error', () => this.onError())
  }

  /** Whether pieces given to {@link write} are still needed. */
  get isBehind(): boolean {
    return this.#pending > 0
  }

  write(pieces: readonly Uint8Array[]): void {
    if (pieces.length === 0) return
    const rest = this.#pending > 0 ? pieces : without(pieces, this.#writeNow(pieces))
    for (const piece of rest) {
      this.#pending++
      this.#later.write(piece, () => {
        this.#pending--
        if (this.#pending === 0) this.onCaughtUp()
      })
    }
  }

  end(finished: () => void): void {
    this.#later.on('finish', finished)
    this.#later.end()
  }

  #writeNow(pieces: readonly Uint8Array[]): number {
    if (this.#direct === undefined) return 0
    try {
      const [only] = pieces
      return pieces.length === 1 && only !== undefined
        ? writeSync(this.#direct, only)
        : writevSync(this.#direct, pieces)
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return 0
      throw error
    }
  }
}

/**
 * Opens a pipe's writing end once more, so that our writes can refuse to wait while those of other processes, which share
 * the descriptor we were given, still do. Only Linux can.
 */
function openAnew(fd: number): number | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK)
  } catch {
    return undefined // No /proc, another user's pipe, or its reader has gone.
  }
}

function neverWaits(status: Stats): boolean {
  if (status.isFile()) return true
  try {
    return status.isCharacterDevice() && status.rdev === statSync('/dev/null').rdev
  } catch {
    return false
  }
}

function without(pieces: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let left = bytes
  for (const [index, piece] of pieces.entries()) {
    if (left < piece.length) return [piece.subarray(left), ...pieces.slice(index + 1)]
    left -= piece.length
  }
  return []
}
