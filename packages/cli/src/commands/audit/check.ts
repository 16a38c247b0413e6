import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { type Checkpoint, fromBase64, openCheckpoint, parseVerifierKey } from '@keyhold/contract/checkpoint'
import { verifyConsistency } from '@keyhold/contract/merkle-proof'
import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { codeOf, Failure } from '../../failure.ts'
import { sha256, verifySignature } from './verify-signature.ts'

export const command = defineCommand({
  usage: 'FILE [--key=VERIFIER]',
  description: `Compares the audit log with the checkpoint in FILE, from the last check: the server has to prove that everything that
was there then still is, in the same order, and only more has come. Then FILE gets the new checkpoint. The first time there
is no FILE, and it is made. Run it every hour on another machine, and nobody can rewrite the log without being noticed.`,
  arguments: [{ name: 'FILE', summary: 'where the checkpoint is kept' }],
  options: {
    key: {
      type: 'string',
      placeholder: 'VERIFIER',
      summary:
        'the verifier key you trust, from "keyhold audit checkpoint"; default: the one that FILE was signed with',
    },
  },
  examples: [
    { does: 'check every hour', command: '0 * * * * keyhold audit check /var/lib/keyhold-check/checkpoint' },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [path = ''] = args
      const kept = existsSync(path) ? readKept(path) : undefined
      const keyText = options.key ?? kept?.key
      const size = kept === undefined ? 0 : sizeOf(kept.note)
      const answer = await keyhold.call('audit.growth', { query: { size } })
      const key = parseVerifierKey(sha256, keyText ?? answer.verifierKey)
      if (!key) throw new Failure('the verifier key is malformed')
      const open = (note: string) => openCheckpoint(sha256, verifySignature, note, key)
      const now = await open(answer.checkpoint)
      if (!now) throw new Failure('the server’s checkpoint is not signed by the key you trust')
      if (kept !== undefined) {
        const before = await open(kept.note)
        if (!before) throw new Failure(`the checkpoint in ${path} is not signed by the key you trust`)
        assertGrown(before, now, answer.hashes)
      }
      // The key stays with what it signed: the next check trusts no other.
      writeKept(path, keyText ?? answer.verifierKey, answer.checkpoint)
      terminal.note(
        kept === undefined
          ? `the first checkpoint, of ${now.size} records, is in ${path}`
          : `nothing was changed: ${size} records then, ${now.size} now`,
      )
      if (kept === undefined && options.key === undefined)
        terminal.hint('compare the key in it with the one that you noted when the instance was set up')
    }),
})

function assertGrown(before: Checkpoint, now: Checkpoint, encoded: readonly string[]): void {
  const hashes = encoded.map((hash) => fromBase64(hash) ?? new Uint8Array())
  if (verifyConsistency(sha256, before, now, hashes)) return
  throw new Failure('the log was rewritten: it does not contain what it contained at the last check', {
    hints: [
      'keep the file as it is, and export the log: keyhold audit export > audit.log',
      'the place is named by: keyhold audit verify audit.log --checkpoint=FILE',
    ],
  })
}

/** The file: the verifier key on a line, then the checkpoint. */
function readKept(path: string): { key: string; note: string } {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new Failure(`${path} cannot be read (${codeOf(error)})`)
  }
  const end = text.indexOf('\n')
  return { key: text.slice(0, end), note: text.slice(end + 1) }
}

function sizeOf(note: string): number {
  const size = /^[^\n]+\n(0|[1-9]\d{0,15})\n/.exec(note)?.[1]
  if (size === undefined) throw new Failure('the file is no checkpoint of "keyhold audit check"')
  return Number(size)
}

/** By renaming: a check that is stopped half-way leaves the old one. */
function writeKept(path: string, key: string, note: string): void {
  try {
    writeFileSync(`${path}.new`, `${key}\n${note}`, { mode: 0o600 })
    renameSync(`${path}.new`, path)
  } catch (error) {
    throw new Failure(`${path} cannot be written (${codeOf(error)})`)
  }
}
