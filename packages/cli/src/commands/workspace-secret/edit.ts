import type { SecretType } from '@keyhold/contract/api/secrets'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { shownPlaces, targetChange, targetOptions } from '../secret/secret-target.ts'
import { upkeepChange, upkeepOptions } from '../secret/upkeep.ts'
import { findWorkspaceSecret, workspaceArgument } from './find-workspace-secret.ts'

export const command = defineCommand({
  usage: 'WORKSPACE NAME [--type=TYPE] [--env-name=VARIABLE] [--file-path=PATH] [--description=TEXT]',
  description:
    'Changes what a secret is and where it goes, and leaves its value alone. For a new value: keyhold workspace-secret set.',
  arguments: [workspaceArgument, { name: 'NAME', summary: 'name or id of the secret' }],
  options: {
    type: {
      type: 'string',
      placeholder: 'TYPE',
      summary: 'kind of value; the value has to fit it',
      choices: ['token', 'password', 'key', 'file'],
    },
    description: { type: 'string', placeholder: 'TEXT', summary: 'what the secret is for' },
    ...targetOptions(),
    ...upkeepOptions,
    json: jsonOption,
  },
  examples: [
    { does: 'stop delivering a secret', command: 'keyhold workspace-secret edit api GITHUB_TOKEN --disable' },
    {
      does: 'deliver it as a file, and not as a variable',
      command: "keyhold workspace-secret edit api KUBECONFIG --env-name= --file-path='~/.kube/config'",
    },
  ],
  run: ({ options, args, env, terminal }) => {
    const [wanted = '', name = ''] = args
    const body = {
      ...(options.type !== undefined && { type: options.type as SecretType }), // `as`: one of the choices.
      ...(options.description !== undefined && { description: options.description }),
      ...targetChange(options),
      ...upkeepChange(options),
    }
    if (Object.keys(body).length === 0)
      throw usageFailure(
        'nothing to change',
        'give --type, --description, --env-name, --file-path, --expires, --note or --rotate',
      )
    return connected(env, 'person', async (keyhold) => {
      const { workspace, secret: before } = await findWorkspaceSecret(keyhold, wanted, name)
      const secret = await keyhold.call('workspace-secret.update', {
        params: { workspaceId: workspace.id, workspaceSecretId: before.id },
        body,
      })
      if (options.json) return terminal.printJson(secret)
      terminal.note(`${secret.name} of ${workspace.name} changed; ${shownPlaces(secret)}`)
    })
  },
})
