import type { Duplex, Writable } from 'node:stream'
import type { WebSocket } from 'ws'

/** What waits in a socket before its source has to wait, and what has to be left before it goes on. */
const HIGH_BYTES = 1024 * 1024
const LOW_BYTES = 256 * 1024
/** Small pieces that arrive together travel together. */
const FRAME_BYTES = 256 * 1024

/** How long a client may leave unread what came before the end. */
const UNREAD_MS = 5 * 60_000

/** The text frame that says: no more from here. Everything else is binary. */
export const EOF_FRAME = 'eof'

/** A channel of SSH: `end()` of a stream would close both ways. */
export interface HalfClosable extends Duplex {
  /** Says that no more comes, and goes on reading. */
  eof(): void
  close(): void
}

/**
 * Joins a channel and a WebSocket, byte for byte, until both ways have ended or one of the two is gone. Neither reads faster
 * than the other writes. An end of one way is passed on as such (RFC 4254 §5.3).
 * @param connection that the channel is in: its window alone, which a client may name as it likes, says nothing of what is read.
 */
export function pipeTunnel(channel: HalfClosable, socket: WebSocket, connection: Writable): void {
  let pieces: Buffer[] = []
  let bytes = 0
  let isWaiting = false

  const flush = () => {
    if (bytes === 0) return
    const frame = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, bytes) // `!`: there is one.
    pieces = []
    bytes = 0
    if (socket.readyState !== socket.OPEN) return
    socket.send(frame, { binary: true }, () => {
      if (isWaiting && socket.bufferedAmount < LOW_BYTES) {
        isWaiting = false
        channel.resume()
      }
    })
    if (socket.bufferedAmount > HIGH_BYTES) {
      isWaiting = true
      channel.pause()
    }
  }
  channel.on('data', (piece: Buffer) => {
    if (bytes === 0) setImmediate(flush)
    pieces.push(piece)
    bytes += piece.length
    if (bytes >= FRAME_BYTES) flush()
  })
  channel.on('end', () => {
    flush()
    if (socket.readyState === socket.OPEN) socket.send(EOF_FRAME)
  })
  channel.on('error', () => socket.terminate())
  channel.on('close', () => {
    flush()
    // What is not written any more is not waited for either, so that the other side's goodbye is read.
    socket.resume()
    socket.close(1000)
  })

  // A connection that broke may take its channel along without a word: what is written then goes nowhere.
  const attempt = (work: () => void) => {
    try {
      work()
    } catch {
      socket.terminate()
    }
  }
  // A channel whose way out has ended never calls back for what is written, so each is asked for once.
  let isEnding = false
  let hasEnded = false
  let isGone = false
  const endWriting = () => {
    if (isEnding) return
    isEnding = true
    // An empty write comes after all that were before it.
    channel.write(Buffer.alloc(0), () =>
      attempt(() => {
        hasEnded = true
        channel.eof()
        if (isGone) channel.close()
      }),
    )
  }
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    attempt(() => {
      if (!isBinary) endWriting()
      else if (!channel.write(data)) {
        socket.pause()
        channel.once('drain', () => socket.resume())
      } else if (connection.writableLength > HIGH_BYTES) {
        socket.pause()
        connection.once('drain', () => socket.resume())
      }
    })
  })
  socket.on('close', () => {
    isGone = true
    // OpenSSH's `-W` waits for this also when both ways have ended.
    attempt(() => (hasEnded ? channel.close() : endWriting()))
    // A client whose window stays shut reads nothing of it.
    setTimeout(() => attempt(() => channel.close()), UNREAD_MS).unref()
  })
  socket.resume()
}
