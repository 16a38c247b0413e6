import { isUtf8 } from 'node:buffer'
import { createReadStream, readFileSync } from 'node:fs'
import { verifyAuditExport } from '@keyhold/contract/audit-export'
import { parseAuditProof } from '@keyhold/contract/audit-proof'
import { openCheckpoint, parseVerifierKey } from '@keyhold/contract/checkpoint'
import { verifyInclusion } from '@keyhold/contract/merkle-proof'
import { defineCommand, jsonOption } from '../../command.ts'
import { ExitCode } from '../../exit-codes.ts'
import { codeOf, Failure, usageFailure } from '../../failure.ts'
import { sha256, verifySignature } from './verify-signature.ts'

export const command = defineCommand({
  usage: 'FILE [--key=VERIFIER] [--checkpoint=FILE] [--proof] [--json]',
  description:
    'Verifies an exported log without the server: every record, their order and every signature. It names the first place that was\n' +
    'changed, removed, added or reordered. Give the verifier key that you noted when the instance was set up: the one in the file is\n' +
    'only as good as the file. Checkpoints that you kept, or that were sent to a destination, show that nothing from before them was\n' +
    'rewritten.\n' +
    'With --proof, FILE is what "keyhold audit prove" wrote, and the record in it is printed.',
  arguments: [{ name: 'FILE', summary: 'what "keyhold audit export" wrote; - is standard input' }],
  options: {
    key: {
      type: 'string',
      placeholder: 'VERIFIER',
      summary: 'the verifier key you trust, from "keyhold audit checkpoint"',
    },
    checkpoint: {
      type: 'string',
      placeholder: 'FILE',
      summary:
        'a checkpoint kept from earlier, or a file that those were sent to: export lines, webhooks or syslog',
    },
    proof: { type: 'boolean', summary: 'verify the proof of one record; needs --key' },
    json: jsonOption,
  },
  examples: [
    { does: 'verify a log', command: 'keyhold audit verify audit.log --key=keyhold-audit/…+1a2b3c4d+…' },
  ],
  async run({ options, args, terminal }) {
    const [path = ''] = args
    if (options.proof) {
      const record = await provenRecord(readText(path), options.key)
      terminal.note('verified: this record is in the log')
      terminal.print(record)
      return ExitCode.Ok
    }
    const earlierCheckpoint = options.checkpoint === undefined ? undefined : readText(options.checkpoint)
    const result = await verifyAuditExport(linesOf(path), {
      sha256,
      verifySignature,
      ...(options.key !== undefined && { verifierKey: options.key }),
      ...(earlierCheckpoint !== undefined && { earlierCheckpoint }),
    })
    if (options.json) {
      terminal.printJson(result)
    } else if (result.ok) {
      terminal.print(
        `verified: ${counted(result.size, 'record')}, ${counted(result.checkpoints, 'checkpoint')}, root ${result.root}`,
      )
      if (result.removed > 0)
        terminal.note(
          `the contents of ${counted(result.removed, 'record')} were removed, and the log says that they were old enough`,
        )
      if (options.key === undefined) {
        terminal.hint('this used the key in the file; --key with the key that you noted proves more')
      }
    } else {
      // An empty file has no line that something is wrong with, and nothing worth keeping.
      terminal.note(result.line === 0 ? result.problem : `line ${result.line}: ${result.problem}`)
      if (result.problem === 'this is not an exported audit log')
        terminal.hint('what "keyhold audit prove" wrote is verified with --proof')
      if (result.line > 0)
        terminal.hint('keep the file as it is: together with earlier exports it shows what was changed')
    }
    return result.ok ? ExitCode.Ok : ExitCode.Failed
  },
})

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`

/** Splits at newlines alone: `node:readline` also splits at characters that a record may hold. */
async function* linesOf(path: string): AsyncGenerator<string, void> {
  const input = path === '-' ? process.stdin : createReadStream(path)
  let rest: Uint8Array = Buffer.alloc(0)
  try {
    for await (const bytes of input) {
      let text = Buffer.concat([rest, bytes])
      for (let end = text.indexOf(NEWLINE); end >= 0; end = text.indexOf(NEWLINE)) {
        yield lineOf(text.subarray(0, end))
        text = text.subarray(end + 1)
      }
      rest = text
    }
  } catch (error) {
    throw new Failure(`${path} cannot be read (${codeOf(error)})`)
  }
  if (rest.length > 0) yield lineOf(rest)
}

const NEWLINE = 0x0a

/**
 * Decodes a line. Bytes that are no UTF-8 become U+FFFD, and a record may hold a U+FFFD of its own that they stand in
 * place of; one more at the end makes sure that the hash is not right.
 */
function lineOf(bytes: Uint8Array): string {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  return isUtf8(bytes) ? text : `${text}\ufffd`
}

/** @returns the record of a proof that holds, as JSON. @throws Failure for any other. */
async function provenRecord(text: string, verifierKey: string | undefined): Promise<string> {
  if (verifierKey === undefined)
    throw usageFailure(
      'a proof is verified with the key you trust',
      'keyhold audit verify FILE --proof --key=VERIFIER',
    )
  const key = parseVerifierKey(sha256, verifierKey)
  if (!key) throw new Failure('the verifier key is malformed')
  const proof = parseAuditProof(text)
  if (!proof) throw new Failure('the file is no proof (C2SP tlog-proof)')
  const tree = await openCheckpoint(sha256, verifySignature, proof.checkpoint, key)
  if (!tree) throw new Failure('the checkpoint in the proof is not signed by the key you trust')
  if (!verifyInclusion(sha256, proof.record, proof.index, tree, proof.hashes))
    throw new Failure('the proof does not hold: this record is not at this place of the log')
  return new TextDecoder().decode(proof.record)
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Failure(`${path} cannot be read (${codeOf(error)})`)
  }
}
