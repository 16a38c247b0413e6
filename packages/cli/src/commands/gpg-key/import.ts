import { readFileSync, statSync } from 'node:fs'
import { limits } from '@keyhold/contract/limits'
import { KeyholdError } from '@keyhold/sdk'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { codeOf, Failure } from '../../failure.ts'
import type { Terminal } from '../../terminal.ts'
import { sayDeployments } from './find-gpg-key.ts'

export const command = defineCommand({
  usage: '[FILE] [--passphrase-stdin] [--no-publish]',
  description:
    'Takes one private key as gpg --armor --export-secret-keys writes it, from FILE or from standard input. When it has a\n' +
    'passphrase, that is asked for; it unlocks the key once and is not kept.',
  arguments: [{ name: 'FILE', summary: 'the armored private key', isOptional: true }],
  options: {
    'passphrase-stdin': { type: 'boolean', summary: 'read the passphrase from standard input; needs FILE' },
    'no-publish': { type: 'boolean', summary: 'do not deploy it' },
    json: jsonOption,
  },
  examples: [
    {
      does: 'bring a key from this machine',
      command: 'gpg --armor --export-secret-keys ann@example.com | keyhold gpg-key import',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [file] = args
      const isPiped = options['passphrase-stdin']
      if (isPiped && file === undefined) throw new Failure('--passphrase-stdin needs the key in a file')
      const privateKey = file === undefined ? inputText(terminal) : fileText(file)
      const publish = !options['no-publish']
      const send = (passphrase?: string) =>
        keyhold.call('gpg-key.import', {
          body: { privateKey, publish, ...(passphrase !== undefined && { passphrase }) },
        })
      const answer = await send(isPiped ? inputText(terminal).replace(/\r?\n$/, '') : undefined).catch(
        async (error: unknown) => {
          if (isPiped || !needsPassphrase(error)) throw error
          return send(await terminal.askSecret('passphrase of the key:'))
        },
      )
      if (options.json) terminal.printJson(answer)
      else terminal.print(answer.gpgKey.keyId)
      terminal.note(`GPG key of ${answer.gpgKey.userIds.join(', ')} imported`)
      sayDeployments(terminal, answer.gpgKey)
    }),
})

const needsPassphrase = (error: unknown): boolean =>
  error instanceof KeyholdError && (error.errors ?? []).some(({ field }) => field === 'passphrase')

const inputText = (terminal: Terminal): string =>
  Buffer.from(terminal.readInput(limits.gpgPrivateKeyLength)).toString('utf8')

function fileText(path: string): string {
  try {
    if (statSync(path).size > limits.gpgPrivateKeyLength) throw new Failure(`${path} is too long for a key`)
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Failure) throw error
    throw new Failure(`${path} cannot be read (${codeOf(error)})`)
  }
}
