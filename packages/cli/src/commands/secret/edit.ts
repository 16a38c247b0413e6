import type { SecretType } from '@keyhold/contract/api/secrets'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { Failure, usageFailure } from '../../failure.ts'
import { environmentOption, sameEnvironment } from '../environment/find-environment.ts'
import { findProject, projectOption } from '../project/find-project.ts'
import { DEFAULT_ENVIRONMENT, findSecret } from './find-secret.ts'
import {
  assertPersonal,
  assertProject,
  findPersonalSecret,
  personalChange,
  personalOption,
  personalSettings,
  shownTarget,
  withWorkspaceIds,
} from './personal-secret.ts'
import { referenceOptions, referencesChange } from './references.ts'
import { upkeepChange, upkeepOptions } from './upkeep.ts'

export const command = defineCommand({
  usage:
    'NAME [--environment=ENVIRONMENT] [--project=PROJECT | --personal] [--type=TYPE] [--description=TEXT]',
  description:
    'Changes what a secret is, and with --personal where it goes, and leaves its value alone. For a new value: keyhold secret set.',
  arguments: [{ name: 'NAME', summary: 'name of the secret' }],
  options: {
    environment: environmentOption,
    project: projectOption,
    type: {
      type: 'string',
      placeholder: 'TYPE',
      summary: 'kind of value; the value has to fit it',
      choices: ['token', 'password', 'key', 'file'],
    },
    description: { type: 'string', placeholder: 'TEXT', summary: 'what the secret is for' },
    ...referenceOptions,
    ...upkeepOptions,
    personal: personalOption,
    ...personalSettings,
    json: jsonOption,
  },
  examples: [
    {
      does: 'stop delivering a secret of yours',
      command: 'keyhold secret edit GITHUB_TOKEN --personal --disable',
    },
    {
      does: 'deliver it as a file, and not as a variable',
      command: "keyhold secret edit KUBECONFIG --personal --env-name= --file-path='~/.kube/config'",
    },
  ],
  run: ({ options, args, env, terminal }) => {
    const [name = ''] = args
    if (options.personal) assertPersonal(options, env)
    else assertProject(options)
    const change = {
      ...(options.type !== undefined && { type: options.type as SecretType }), // `as`: one of the choices.
      ...(options.description !== undefined && { description: options.description }),
      ...personalChange(options),
    }
    const ofProject = { ...referencesChange(options), ...upkeepChange(options) }
    if (options.personal && Object.keys(ofProject).length > 0)
      throw usageFailure('secrets of your own have no references, note or period', 'leave out --personal')
    if (Object.keys({ ...change, ...ofProject }).length === 0)
      throw usageFailure(
        'nothing to change',
        'give --type, --description, --references, --note, --rotate or, with --personal, where it goes',
      )
    return connected(env, 'person', async (keyhold) => {
      if (options.personal) {
        const { id } = await findPersonalSecret(keyhold, name)
        const secret = await keyhold.call('personal-secret.update', {
          params: { personalSecretId: id },
          body: await withWorkspaceIds(keyhold, change),
        })
        if (options.json) return terminal.printJson(secret)
        return terminal.note(`your secret ${secret.name} changed; ${shownTarget(secret)}`)
      }
      const environment = options.environment ?? keyhold.environment ?? DEFAULT_ENVIRONMENT
      const { id: projectId } = await findProject(keyhold, options.project)
      const before = await findSecret(keyhold, projectId, name, environment)
      if (!sameEnvironment(before.environment, environment))
        throw new Failure(
          `${environment} has no ${name} of its own; it takes the one of ${before.environment}`,
        )
      const secret = await keyhold.call('secret.update', {
        params: { projectId, secretId: before.id },
        body: { ...change, ...ofProject },
      })
      if (options.json) return terminal.printJson(secret)
      terminal.note(`${secret.name} of ${secret.environment} changed`)
    })
  },
})
