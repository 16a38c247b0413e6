import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { Failure } from '../../failure.ts'
import { writeBytes } from '../../present.ts'
import type { Terminal } from '../../terminal.ts'
import { environmentOption } from '../environment/find-environment.ts'
import { findProject, projectOption } from '../project/find-project.ts'
import { DEFAULT_ENVIRONMENT, findSecret } from './find-secret.ts'

export const command = defineCommand({
  usage: 'NAME [--environment=ENVIRONMENT] [--project=PROJECT] [--json]',
  description:
    'Prints the value alone, byte for byte; on a terminal with a newline after it. The audit log records it as accessed. To give\n' +
    'secrets to a program, "keyhold run" is better: it also takes them out of the output.',
  arguments: [{ name: 'NAME', summary: 'name of the secret' }],
  options: { environment: environmentOption, project: projectOption, json: jsonOption },
  examples: [
    { does: 'pass a value on', command: 'keyhold secret get GITHUB_TOKEN | gh auth login --with-token' },
    {
      does: 'read the value of an environment',
      command: 'keyhold secret get DATABASE_URL --environment=staging',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'any', async (keyhold) => {
      const [name = ''] = args
      const environment = options.environment ?? keyhold.environment
      if (keyhold.credentialKind === 'access-key') {
        if (!options.json) return printValue(terminal, await keyhold.getBytes(name, { environment }))
        const secret = await keyhold.call('current.secret', {
          params: { name },
          query: environment === undefined ? {} : { environment },
        })
        return terminal.printJson(secret)
      }
      const { id: projectId } = await findProject(keyhold, options.project)
      const { id: secretId } = await findSecret(keyhold, projectId, name, environment ?? DEFAULT_ENVIRONMENT)
      const secret = await keyhold.call('secret.reveal', { params: { projectId, secretId }, body: {} })
      if (options.json) return terminal.printJson(secret)
      printValue(terminal, Buffer.from(secret.value, secret.encoding))
    }),
})

function printValue(terminal: Terminal, bytes: Uint8Array): void {
  if (!terminal.isOutputTerminal) {
    writeBytes(bytes)
    return
  }
  const text = printableText(bytes)
  if (text === undefined) {
    throw new Failure('the value is not text, so it is not written to the terminal', {
      hints: ['send it into a file: keyhold secret get NAME > FILE'],
    })
  }
  terminal.print(text.replace(/\n$/, ''))
}

function printableText(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    // A carriage return is only a line end of another system.
    return /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/.test(text)
      ? undefined
      : text.replaceAll('\r\n', '\n')
  } catch {
    return undefined
  }
}
