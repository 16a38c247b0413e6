import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isatty } from 'node:tty'
import { limits } from '@keyhold/contract/limits'
import { looksLikePrivateKey } from '@keyhold/contract/private-key'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { codeOf, Failure } from '../../failure.ts'
import { confirmed, parsedTime, yesOption } from '../../present.ts'
import type { Terminal } from '../../terminal.ts'

export const command = defineCommand({
  usage: '[FILE] [--expires=WHEN] [--yes]',
  description:
    'Takes the public key from FILE, or from standard input. With neither it offers ~/.ssh/id_ed25519.pub. The title is\n' +
    'the comment of the key. A private key is refused before anything is sent.',
  arguments: [{ name: 'FILE', summary: 'the file that ends in .pub', isOptional: true }],
  options: {
    expires: { type: 'string', placeholder: 'WHEN', summary: '90d, 12h or 2026-12-31; default: no expiry' },
    yes: yesOption,
    json: jsonOption,
  },
  examples: [
    { does: 'add a key of this machine', command: 'keyhold ssh-key add ~/.ssh/id_ed25519.pub' },
    {
      does: 'add the keys of your agent',
      command: 'ssh-add -L | head -1 | keyhold ssh-key add --expires=90d',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const publicKey = publicKeyText(terminal, args[0], env, options.yes)
      const { expires } = options
      const key = await keyhold.call('ssh-key.create', {
        body: { publicKey, ...(expires !== undefined && { expiresAt: parsedTime(expires, 'expires', 1) }) },
      })
      if (options.json) terminal.printJson(key)
      else terminal.print(key.publicKeyFingerprint)
      terminal.note(`SSH key ${key.title} added; it may enter your workspaces`)
    }),
})

function publicKeyText(
  terminal: Terminal,
  file: string | undefined,
  env: NodeJS.ProcessEnv,
  isYes: boolean,
): string {
  const piped =
    file === undefined && !isatty(0)
      ? Buffer.from(terminal.readInput(limits.sshPublicKeyLength)).toString('utf8')
      : undefined
  // With --yes an empty standard input is that of a script, which means the file that would have been offered.
  const isPiped = piped !== undefined && !(isYes && piped.trim() === '')
  const text = isPiped ? piped : fileText(file ?? defaultFile(terminal, env, isYes))
  if (looksLikePrivateKey(text)) {
    throw new Failure('this is a private key; it was not sent anywhere', {
      hints: ['add the public one, from the file beside it that ends in .pub'],
    })
  }
  if (text.trim() === '') throw new Failure('there is no key: nothing was read')
  return text
}

function defaultFile(terminal: Terminal, env: NodeJS.ProcessEnv, isYes: boolean): string {
  const file = env.HOME === undefined ? undefined : join(env.HOME, '.ssh/id_ed25519.pub')
  if (file === undefined || !existsSync(file)) {
    throw new Failure('name the file with the public key', {
      hints: ['make a key: ssh-keygen -t ed25519', 'then: keyhold ssh-key add ~/.ssh/id_ed25519.pub'],
    })
  }
  confirmed(terminal, isYes, `add ${file}?`)
  return file
}

function fileText(path: string): string {
  try {
    if (statSync(path).size > limits.sshPublicKeyLength)
      throw new Failure(`${path} is too long for a public key`)
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Failure) throw error
    throw new Failure(`${path} cannot be read (${codeOf(error)})`)
  }
}
