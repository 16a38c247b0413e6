import { write } from 'node:fs'
import type { Readable, Transform } from 'node:stream'
import { Writable } from 'node:stream'

/** After the child has ended, how long a silent descendant that still holds its output is waited for. */
const SILENCE_MS = 200

/**
 * Writes to a descriptor without blocking this process, as `process.stdout` would on a pipe: signals have to be forwarded
 * while the reader is slow.
 */
export function descriptorStream(fd: number): Writable {
  const writeFrom = (chunk: Uint8Array, done: (error?: Error | null) => void) => {
    write(fd, chunk, (error, written) => {
      if (error?.code === 'EAGAIN') setTimeout(writeFrom, 5, chunk, done)
      else if (error) done(error)
      else if (written < chunk.length) writeFrom(chunk.subarray(written), done)
      else done()
    })
  }
  return new Writable({
    highWaterMark: 128 * 1024,
    write: (chunk: Uint8Array, _encoding, done) => writeFrom(chunk, done),
  })
}

export interface Pump {
  /** Resolves when everything has been written, or nobody reads any more. */
  readonly done: Promise<void>
  /** Call when the child has ended: ends the pump at the end of the output, or when a descendant holds it in silence. */
  childEnded(): void
}

/** Moves the child's output through a masker to a descriptor, no faster than it is read. */
export function pumpOutput(from: Readable, masking: Transform, fd: number): Pump {
  const to = descriptorStream(fd)
  let lastReadAt = performance.now()
  let isOver = false
  const { promise: done, resolve } = Promise.withResolvers<void>()
  const endInput = () => {
    if (isOver) return
    isOver = true
    masking.end()
  }
  from.on('data', (chunk: Uint8Array) => {
    lastReadAt = performance.now()
    if (!isOver && !masking.write(chunk)) from.pause()
  })
  masking.on('drain', () => from.resume())
  from.on('end', endInput)
  from.on('close', endInput)
  // A terminal's end is reported as EIO.
  from.on('error', endInput)
  masking.pipe(to)
  to.on('finish', resolve)
  to.on('error', () => {
    // The reader has gone. Closing our end tells the child at its next write, as it would without us.
    isOver = true
    from.destroy()
    masking.destroy()
    resolve()
  })
  return {
    done,
    childEnded: () =>
      endWhenSilent({
        done,
        isOver: () => isOver,
        isPaused: () => from.isPaused(),
        lastReadAt: () => lastReadAt,
        end() {
          from.destroy()
          endInput()
        },
      }),
  }
}

interface WatchedPump {
  readonly done: Promise<void>
  isOver(): boolean
  isPaused(): boolean
  lastReadAt(): number
  end(): void
}

/** Ends a pump whose child is gone once nothing has come for a while. Time in which we do not read does not count. */
export function endWhenSilent(pump: WatchedPump): void {
  let waitingSince = performance.now()
  const timer = setInterval(() => {
    if (pump.isOver()) return clearInterval(timer)
    if (pump.isPaused()) waitingSince = performance.now()
    if (performance.now() - Math.max(waitingSince, pump.lastReadAt()) >= SILENCE_MS) pump.end()
  }, SILENCE_MS / 4)
  void pump.done.then(() => clearInterval(timer))
}
