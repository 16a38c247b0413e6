import { execFileSync } from 'node:child_process'
import { Failure } from '../failure.ts'
import type { Finding } from '../finding.ts'
import { identityVariables } from './identity-variables.ts'
import { askAgent } from './requests.ts'

/** Says what keeps commits that are made in this folder from being signed with the key of Keyhold, or shown as verified. */
export async function* examineGit(env: NodeJS.ProcessEnv): AsyncGenerator<Finding, void> {
  const check = 'git'
  const { key } = await askAgent(env, 'git-signing', {}).catch((error: unknown) => {
    if (error instanceof Failure) return { key: undefined }
    throw error
  })
  if (key === undefined) {
    const said = configured(env, 'user.signingKey')
    if (said?.value.startsWith('key::') && said.origin.endsWith('git-system-config')) {
      yield { check, status: 'ok', message: 'commits are signed with the SSH identity' }
      return
    }
    const hint = 'where the owner is signed in: keyhold gpg-key create, or keyhold identity generate'
    yield { check, status: 'ok', message: 'commits are not signed with a key of Keyhold', hint }
    return
  }
  const { fingerprint, email } = key
  const wanted = {
    'commit.gpgSign': 'true',
    'user.signingKey': fingerprint,
    'gpg.format': 'openpgp',
    'gpg.program': undefined,
  }
  let isSigned = true
  for (const [name, value] of Object.entries(wanted)) {
    const found = configured(env, name)
    const isOurs = found === undefined || found.value === value || found.origin.endsWith('git-system-config')
    if (isOurs) continue
    isSigned = false
    yield {
      check,
      status: 'warn',
      message: `${name} is set in ${found.origin}, so commits are not signed with the key of Keyhold`,
      hint: `git config --unset ${name}, there`,
    }
  }
  const committer = env.GIT_COMMITTER_EMAIL || configured(env, 'user.email')?.value
  if (committer?.toLowerCase() !== email.toLowerCase()) {
    yield {
      check,
      status: 'warn',
      message: `commits are made by ${committer ?? 'nobody: user.email is not set'}, and the key is for ${email}: code hosts show them as unverified`,
      hint: `git config --global user.email ${email}`,
    }
  } else if (isSigned) yield { check, status: 'ok', message: `commits are signed with ${fingerprint}` }
}

/** What git goes by, and where it is said. */
function configured(env: NodeJS.ProcessEnv, name: string): { origin: string; value: string } | undefined {
  try {
    const text = execFileSync('git', ['config', '--show-origin', '--get', name], {
      env: { ...env, ...identityVariables(env) },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const [origin = '', value = ''] = text.trimEnd().split('\t')
    return { origin: origin.replace(/^file:/, ''), value }
  } catch {
    // It is not set, or there is no git.
    return undefined
  }
}
