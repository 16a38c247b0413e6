import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { ExitCode } from '../../exit-codes.ts'
import { usageFailure } from '../../failure.ts'
import { findProject, projectOption } from '../project/find-project.ts'
import { findWorkloadIdentity, identityArgument } from './find-workload-identity.ts'

const TOKEN_BYTES_MAX = 64 * 1024

export const command = defineCommand({
  usage: 'IDENTITY [--project=PROJECT] [--json] < TOKEN',
  description:
    'Takes a token of the platform from standard input, or asks for it, and says whether it would be taken, and why not. It\n' +
    'lets nobody in, and the token can be used afterwards. Exit code 1 when it would be refused.',
  arguments: [identityArgument],
  options: { project: projectOption, json: jsonOption },
  examples: [{ does: 'try a token', command: 'keyhold workload-identity test deploy < token' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { id: projectId } = await findProject(keyhold, options.project)
      const { id: workloadIdentityId, name } = await findWorkloadIdentity(keyhold, projectId, args[0] ?? '')
      const bytes = await terminal.readValue('the token of the machine:')
      const subjectToken = new TextDecoder().decode(bytes.subarray(0, TOKEN_BYTES_MAX)).trim()
      if (subjectToken === '') throw usageFailure('the token is missing')
      const result = await keyhold.call('workload-identity.test', {
        params: { projectId, workloadIdentityId },
        body: { subjectToken },
        ...{ confidential: [subjectToken] },
      })
      if (options.json) terminal.printJson(result)
      else {
        const subject = result.subject === null ? '' : ` of ${result.subject}`
        if (result.isAccepted) terminal.note(`the token${subject} would be taken by ${name}`)
        else terminal.note(`the token${subject} would be refused: it ${result.problem ?? 'is not right'}`)
      }
      return result.isAccepted ? ExitCode.Ok : ExitCode.Failed
    }),
})
