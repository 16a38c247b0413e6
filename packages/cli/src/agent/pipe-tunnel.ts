import type { Readable, Writable } from 'node:stream'
import type { WebSocket } from 'ws'

/** What waits in the socket before the server has to wait, and what has to be left before it goes on. */
const HIGH_BYTES = 1024 * 1024
const LOW_BYTES = 256 * 1024
/** Small pieces that arrive together travel together. */
const FRAME_BYTES = 256 * 1024
/** The text frame that says: no more from here. Everything else is binary. */
const EOF_FRAME = 'eof'

/** Joins a process and a WebSocket, byte for byte. Neither reads faster than the other writes; an end of one way is passed on. */
export function pipeTunnel(output: Readable, input: Writable, socket: WebSocket): void {
  let pieces: Buffer[] = []
  let bytes = 0
  let hasEnded = false

  const resume = () => {
    if (output.isPaused() && socket.bufferedAmount < LOW_BYTES) output.resume()
  }
  const flush = () => {
    if (socket.readyState !== socket.OPEN) return
    if (bytes > 0) {
      const frame = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, bytes) // `!`: there is one.
      pieces = []
      bytes = 0
      socket.send(frame, { binary: true }, resume)
      if (socket.bufferedAmount > HIGH_BYTES) output.pause()
    }
    if (!hasEnded) return
    socket.send(EOF_FRAME)
    // The other way is of no use to a server that says no more.
    socket.close(1000)
  }
  output.on('data', (piece: Buffer) => {
    if (bytes === 0) setImmediate(flush)
    pieces.push(piece)
    bytes += piece.length
    if (bytes >= FRAME_BYTES) flush()
  })
  output.on('end', () => {
    hasEnded = true
    flush()
  })
  socket.on('open', flush)

  // Broken by a server that ended first; what it wrote is still on its way.
  input.on('error', () => {})
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    if (!isBinary) input.end()
    else if (!input.write(data)) {
      socket.pause()
      input.once('drain', () => socket.resume())
      // Where nobody reads any more, the end of the server is what comes next.
      input.once('close', () => socket.resume())
    }
  })
  socket.on('close', () => input.end())
}
