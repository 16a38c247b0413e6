// What is refused by sftp has to be said in its own words: sshd passes on nothing that a subsystem writes to standard error.
// So that programs come as far as reading or writing, and say "permission denied" of that, whatever they ask for is a file.
import { writeSync } from 'node:fs'

/* draft-ietf-secsh-filexfer-02, sections 3, 4 and 7: the version that everybody speaks. */
const Packet = {
  init: 1,
  version: 2,
  lstat: 7,
  realpath: 16,
  stat: 17,
  status: 101,
  name: 104,
  attributes: 105,
} as const
const VERSION = 3
const PERMISSION_DENIED = 3
/** Flags that say "permissions follow", and those of a regular file. */
const FILE_ATTRIBUTES = [uint32(4), uint32(0o100600)]

/** A packet longer than that is none (OpenSSH's own limit). */
const PACKET_BYTES_MAX = 256 * 1024

/** Refuses all that is asked for, with the reason, which some programs show. @returns when the client has gone. */
export async function refuseSftp(reason: string): Promise<void> {
  let bytes = Buffer.alloc(0)
  for await (const piece of process.stdin) {
    bytes = Buffer.concat([bytes, piece])
    while (bytes.length >= 9) {
      const length = bytes.readUInt32BE(0)
      if (length < 5 || length > PACKET_BYTES_MAX) return
      if (bytes.length < 4 + length) break
      writeSync(1, answerTo(bytes.subarray(4, 4 + length), reason))
      bytes = bytes.subarray(4 + length)
    }
  }
}

function answerTo(request: Buffer, reason: string): Buffer {
  const id = request.subarray(1, 5)
  switch (request[0]) {
    case Packet.init:
      return packet(Packet.version, uint32(VERSION))
    case Packet.realpath: {
      const path = request.subarray(9)
      return packet(Packet.name, id, uint32(1), string(path), string(path), uint32(0))
    }
    case Packet.stat:
    case Packet.lstat:
      return packet(Packet.attributes, id, ...FILE_ATTRIBUTES)
    default: {
      const text = [string(Buffer.from(reason)), string(Buffer.from('en'))]
      return packet(Packet.status, id, uint32(PERMISSION_DENIED), ...text)
    }
  }
}

function packet(type: number, ...parts: Buffer[]): Buffer {
  return string(Buffer.concat([Buffer.from([type]), ...parts]))
}

function string(bytes: Buffer): Buffer {
  return Buffer.concat([uint32(bytes.length), bytes])
}

function uint32(number: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(number)
  return bytes
}
