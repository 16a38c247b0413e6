import { constants } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { exportCheckpoint, exportHeader, exportRecord, exportRemoved } from '@keyhold/contract/audit-export'
import { type Carrier, CarrierError, type Parcel } from './destination.ts'

/*
 * A file in the format of the exported log (contract/audit-export.ts), appended to and synced. It is opened anew for each
 * parcel: one that was rotated, renamed or deleted is simply not there any more, and is made again.
 */

const NEWLINE = 0x0a
// A link that somebody put there would lead out of the directory.
const FLAGS = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW

export function fileCarrier(directory: string, name: string, verifierKey: string): Carrier {
  return async (parcel) => {
    try {
      await append(directory, name, verifierKey, parcel)
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
      throw new CarrierError(`the file cannot be written (${code})`)
    }
  }
}

async function append(directory: string, name: string, verifierKey: string, parcel: Parcel): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const file = await open(join(directory, name), FLAGS, 0o600)
  try {
    const { size } = await file.stat()
    let text = size === 0 ? exportHeader(verifierKey) : ''
    if (size > 0) {
      const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1)
      // A write that was cut off by a crash stays a line of its own.
      if (buffer[0] !== NEWLINE) text = '\n'
    }
    text += linesOf(parcel)
    await file.writeFile(text)
    await file.sync()
    if (size === 0) await syncDirectory(directory)
  } finally {
    await file.close()
  }
}

function linesOf(parcel: Parcel): string {
  if (parcel.kind === 'checkpoint') return exportCheckpoint(parcel.size, parcel.note)
  if (parcel.kind === 'removed') return exportRemoved(parcel.start, parcel.hashes)
  return parcel.records.map(({ hash, json }) => exportRecord(hash, json)).join('')
}

/** So that a power cut does not take the new file's name. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  await directory.sync().finally(() => directory.close())
}
