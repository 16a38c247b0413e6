import type { SecretType } from '@keyhold/contract/api/secrets'
import { workspaceSecretPresets } from '@keyhold/contract/workspace-secret-presets'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { shownPlaces, targetChange, targetOptions } from '../secret/secret-target.ts'
import { readSecretValue, wireValue } from '../secret/secret-value.ts'
import { upkeepChange, upkeepOptions } from '../secret/upkeep.ts'
import { lookForWorkspaceSecret, workspaceArgument } from './find-workspace-secret.ts'

export const command = defineCommand({
  usage: 'WORKSPACE NAME [--type=TYPE] [--file=PATH] [--file-path=PATH] [--description=TEXT]',
  description:
    'Creates the secret, or gives it a new value. The value comes from standard input, byte for byte, or from a prompt when that\n' +
    'is a terminal; never from an argument, which every process of the machine could read. An equal value changes nothing.\n\n' +
    'A new secret goes into the variable of its name, unless --env-name or --file-path say something else. New processes of the\n' +
    'workspace get it at once; those that run keep what they had.',
  arguments: [workspaceArgument, { name: 'NAME', summary: 'as programs will see it, such as GITHUB_TOKEN' }],
  options: {
    type: {
      type: 'string',
      placeholder: 'TYPE',
      summary:
        'kind of value; a new secret has that of its preset, else it is a token, or a file with --file',
      choices: ['token', 'password', 'key', 'file'],
    },
    file: { type: 'string', placeholder: 'PATH', summary: 'take the value from this file' },
    description: { type: 'string', placeholder: 'TEXT', summary: 'what the secret is for' },
    ...targetOptions(),
    ...upkeepOptions,
    json: jsonOption,
  },
  examples: [
    { does: 'type the value, unseen', command: 'keyhold workspace-secret set api GITHUB_TOKEN' },
    {
      does: 'keep a key, which the workspace also gets as a file',
      command: 'keyhold workspace-secret set api DEPLOY_KEY --type=key --file=id_ed25519',
    },
    {
      does: 'put a configuration file into the workspace, and into no variable',
      command:
        "keyhold workspace-secret set api NPMRC --file=npmrc --env-name= --file-path='~/.npmrc' --rotate=90d",
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [wanted = '', name = ''] = args
      const given = {
        ...(options.description !== undefined && { description: options.description }),
        ...targetChange(options),
        ...upkeepChange(options),
      }
      const type = options.type as SecretType | undefined // `as`: one of the choices.
      const { workspace, secret: before } = await lookForWorkspaceSecret(keyhold, wanted, name)
      const content = wireValue(await readSecretValue(terminal, name, options.file))
      const preset = workspaceSecretPresets.find((one) => one.name === name)
      const typeOfNew = type ?? (options.file === undefined ? (preset?.type ?? 'token') : 'file')
      const params = { workspaceId: workspace.id }
      const secret = before
        ? await keyhold.call('workspace-secret.update', {
            params: { ...params, workspaceSecretId: before.id },
            // Somebody may have given it another value since it was looked at.
            body: { ...content, ...(type && { type }), ...given, expectedVersion: before.version },
          })
        : await keyhold.call('workspace-secret.create', {
            params,
            body: {
              name,
              type: typeOfNew,
              ...content,
              ...(preset && { description: preset.description }),
              ...given,
            },
          })
      if (options.json) terminal.printJson(secret)
      else {
        const isSame = before?.version === secret.version
        const did = before === undefined ? 'created' : isSame ? 'unchanged' : 'updated'
        const places = shownPlaces(secret)
        terminal.note(`${secret.name} ${did} in ${workspace.name}, version ${secret.version}; ${places}`)
      }
      if (secret.nameWarning !== null) terminal.note(`warning: ${secret.nameWarning}`)
      if (!secret.isMasked)
        terminal.note('warning: the value is short or an ordinary word, so it is not taken out of logs')
    }),
})
