// How programs of a workspace learn as whom they are known elsewhere. All of it is at stable paths beside the socket of the
// agent, so what changes there later also counts for programs that run already.
import { dirname, join } from 'node:path'
import { agentSocketPath } from '../run/agent-socket.ts'

/** What lies beside the socket of the agent of this user. */
export function identityPlace(env: NodeJS.ProcessEnv): { requests: string; gitConfig: string } {
  const directory = dirname(agentSocketPath(env))
  return { requests: join(directory, 'requests.sock'), gitConfig: join(directory, 'git-config') }
}

/**
 * The variables that a program of the workspace gets for git. What the person has configured is kept, in files and in
 * GIT_CONFIG_COUNT; ours comes after it (git-config(1), ENVIRONMENT). A file that is not there configures nothing.
 */
export function identityVariables(env: NodeJS.ProcessEnv): Record<string, string> {
  const { gitConfig } = identityPlace(env)
  const count = /^\d{1,4}$/.test(env.GIT_CONFIG_COUNT ?? '') ? Number(env.GIT_CONFIG_COUNT) : 0
  // A program of a program of the workspace has it already.
  for (let i = 0; i < count; i++) if (env[`GIT_CONFIG_VALUE_${i}`] === gitConfig) return {}
  return {
    GIT_CONFIG_COUNT: String(count + 1),
    [`GIT_CONFIG_KEY_${count}`]: 'include.path',
    [`GIT_CONFIG_VALUE_${count}`]: gitConfig,
  }
}
