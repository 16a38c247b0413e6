// How programs of a workspace learn as whom they are known elsewhere. All of it is at stable paths beside the socket of the
// agent, so what changes there later also counts for programs that run already.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { agentSocketPath } from '../run/agent-socket.ts'

/** What lies beside the socket of the agent of this user. */
export function identityPlace(env: NodeJS.ProcessEnv): {
  requests: string
  gitConfig: string
  sshAgent: string
  sshConfig: string
  gitSystem: string
} {
  const at = (name: string) => join(dirname(agentSocketPath(env)), name)
  return {
    requests: at('requests.sock'),
    gitConfig: at('git-config'),
    sshAgent: at('ssh-agent.sock'),
    sshConfig: at('ssh-config'),
    gitSystem: at('git-system-config'),
  }
}

/**
 * The variables by which git and ssh know whose workspace it is. An agent that is there already, such as one that was
 * forwarded into an SSH session, is left in its place.
 */
export function identityVariables(env: NodeJS.ProcessEnv): Record<string, string> {
  const { sshAgent, gitConfig, gitSystem } = identityPlace(env)
  // In place of that of the machine, which it includes: what counts last, so that repositories and people can say otherwise.
  const hasOwn = env.GIT_CONFIG_SYSTEM || env.GIT_CONFIG_NOSYSTEM || !existsSync(gitSystem)
  return {
    ...(!env.SSH_AUTH_SOCK && { SSH_AUTH_SOCK: sshAgent }),
    ...(!hasOwn && { GIT_CONFIG_SYSTEM: gitSystem }),
    ...gitVariables(env, gitConfig),
  }
}

/**
 * Has git include a file. What the person has configured is kept, in files and in GIT_CONFIG_COUNT; ours comes after it
 * (git-config(1), ENVIRONMENT). A file that is not there configures nothing.
 */
function gitVariables(env: NodeJS.ProcessEnv, gitConfig: string): Record<string, string> {
  const count = /^\d{1,4}$/.test(env.GIT_CONFIG_COUNT ?? '') ? Number(env.GIT_CONFIG_COUNT) : 0
  // A program of a program of the workspace has it already.
  for (let i = 0; i < count; i++) if (env[`GIT_CONFIG_VALUE_${i}`] === gitConfig) return {}
  return {
    GIT_CONFIG_COUNT: String(count + 1),
    [`GIT_CONFIG_KEY_${count}`]: 'include.path',
    [`GIT_CONFIG_VALUE_${count}`]: gitConfig,
  }
}
