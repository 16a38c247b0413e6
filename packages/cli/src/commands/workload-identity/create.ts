import { readFileSync } from 'node:fs'
import type { WorkloadIdentity } from '@keyhold/contract/api/workload-identities'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { codeOf, Failure, usageFailure } from '../../failure.ts'
import type { Terminal } from '../../terminal.ts'
import { permissionOption } from '../access-key/access-key-options.ts'
import { findProject, projectOption } from '../project/find-project.ts'

type Preset = WorkloadIdentity['preset']

export const command = defineCommand({
  usage:
    'NAME --permission=PERMISSION (--github=REPOSITORY | --gitlab=PROJECT | --kubernetes=NAMESPACE/ACCOUNT | --issuer=URL) [--claim=NAME=VALUE]… [--project=PROJECT]',
  description:
    'The platform of a CI job or a pod gives it a token that says what it is (OpenID Connect). Keyhold exchanges a token whose\n' +
    'claims are those that you name, exactly, for an access key that ends within the hour. No secret is stored at the platform.\n\n' +
    'There, set KEYHOLD_URL, and KEYHOLD_WORKLOAD_IDENTITY to the id that is printed; it is no secret. keyhold run, secret get\n' +
    'and the other commands that take an access key do the rest.',
  arguments: [{ name: 'NAME', summary: 'what it is for, such as deploy' }],
  options: {
    permission: permissionOption,
    github: {
      type: 'string',
      placeholder: 'REPOSITORY',
      summary: 'a repository of GitHub: OWNER/REPOSITORY',
    },
    gitlab: { type: 'string', placeholder: 'PROJECT', summary: 'a project of GitLab: GROUP/PROJECT' },
    kubernetes: {
      type: 'string',
      placeholder: 'ACCOUNT',
      summary: 'a service account: NAMESPACE/NAME; needs --issuer as well',
    },
    issuer: {
      type: 'string',
      placeholder: 'URL',
      summary: 'the iss of the tokens; default: GitHub and GitLab in the cloud',
    },
    claim: {
      type: 'string',
      placeholder: 'NAME=VALUE',
      summary: 'one more claim that a token must have, such as ref=refs/heads/main',
      isRepeatable: true,
    },
    audience: {
      type: 'string',
      placeholder: 'TEXT',
      summary: 'the aud of the tokens; default: the address of Keyhold',
    },
    'jwks-file': {
      type: 'string',
      placeholder: 'FILE',
      summary: 'public keys of an issuer that Keyhold cannot reach (JSON Web Key Set)',
    },
    'single-use': { type: 'boolean', summary: 'take each token once; so it is for GitHub' },
    project: projectOption,
    json: jsonOption,
  },
  examples: [
    {
      does: 'the main branch of a repository of GitHub',
      command:
        'keyhold workload-identity create deploy --github=ada/shop --claim=ref=refs/heads/main --permission=read',
    },
    {
      does: 'a service account, whose cluster cannot be reached',
      command:
        'keyhold workload-identity create pods --kubernetes=shop/web --issuer=https://kubernetes.default.svc.cluster.local --jwks-file=keys.json --permission=read',
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [name = ''] = args
      const { permission, issuer, audience } = options
      if (permission === undefined) throw usageFailure('--permission is missing', 'choose read or read_write')
      const { preset, claims } = presetOf(options)
      const jwksFile = options['jwks-file']
      const { id: projectId } = await findProject(keyhold, options.project)
      const made = await keyhold.call('workload-identity.create', {
        params: { projectId },
        body: {
          name,
          preset,
          claims: { ...claims, ...claimsOf(options.claim) },
          permission: permission as 'read' | 'read_write', // `as`: one of the choices.
          ...(issuer !== undefined && { issuer }),
          ...(audience !== undefined && { audience }),
          ...(options['single-use'] && { isSingleUse: true }),
          ...(jwksFile !== undefined && { jwks: readKeys(jwksFile) }),
        },
      })
      if (options.json) return terminal.printJson(made)
      terminal.print(made.id)
      say(terminal, keyhold.url, made)
    }),
})

/** Which platform, and the claim that ties a token to what is named. */
function presetOf(options: {
  github?: string | undefined
  gitlab?: string | undefined
  kubernetes?: string | undefined
  issuer?: string | undefined
}): { preset: Preset; claims: Record<string, string> } {
  const { github, gitlab, kubernetes, issuer } = options
  const given = [github, gitlab, kubernetes].filter((one) => one !== undefined)
  if (given.length > 1) throw usageFailure('--github, --gitlab and --kubernetes exclude each other')
  if (github !== undefined) return { preset: 'github', claims: { repository: github } }
  if (gitlab !== undefined) return { preset: 'gitlab', claims: { project_path: gitlab } }
  if (kubernetes !== undefined) {
    const [namespace, account, ...more] = kubernetes.split('/')
    if (!namespace || !account || more.length > 0) throw usageFailure('--kubernetes is NAMESPACE/NAME')
    return { preset: 'kubernetes', claims: { sub: `system:serviceaccount:${namespace}:${account}` } }
  }
  if (issuer !== undefined) return { preset: 'custom', claims: {} }
  throw usageFailure('which platform?', 'say --github, --gitlab, --kubernetes or --issuer')
}

function claimsOf(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((one) => {
      const at = one.indexOf('=')
      if (at < 1) throw usageFailure('--claim is NAME=VALUE', 'such as --claim=ref=refs/heads/main')
      return [one.slice(0, at), one.slice(at + 1)]
    }),
  )
}

function readKeys(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Failure(`${path} cannot be read (${codeOf(error)})`)
  }
}

/** What to do at the platform. */
function say(terminal: Terminal, url: string, { id, preset, audience }: WorkloadIdentity): void {
  terminal.note(`there, set KEYHOLD_URL=${url} and KEYHOLD_WORKLOAD_IDENTITY=${id}; neither is a secret`)
  if (audience !== url) terminal.note(`and KEYHOLD_AUDIENCE=${audience}`)
  if (preset === 'github') terminal.hint('give the job "permissions: id-token: write"')
  if (preset === 'gitlab')
    terminal.hint(`declare KEYHOLD_ID_TOKEN under "id_tokens:", with "aud: ${audience}"`)
  if (preset === 'kubernetes')
    terminal.hint(`project a token with audience ${audience}, and set KEYHOLD_ID_TOKEN_FILE to its path`)
  terminal.hint('then: keyhold run -- COMMAND')
}
