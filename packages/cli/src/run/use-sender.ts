import type { UseReport } from '@keyhold/contract/api/uses'
import type { MachineConnection } from '../connection.ts'
import { httpFetch } from '../http.ts'
import { version } from '../version.ts'

/** Sends a report. @returns how many more of the run are recorded. @throws Error when it did not arrive */
export type SendUses = (report: UseReport, signal: AbortSignal) => Promise<number>

/** How a machine sends reports. Both are asked when there is something to send. */
export function machineSender(
  connection: () => MachineConnection,
  environment: () => string | undefined,
): SendUses {
  return async (report, signal) => {
    const { url, accessKeyId, accessKey } = connection()
    const credential = Buffer.from(`${accessKeyId}:${accessKey}`).toString('base64')
    const response = await httpFetch(`${url}/api/v1/projects/current/uses`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${credential}`,
        'content-type': 'application/json',
        'user-agent': `keyhold-cli/${version}`,
      },
      body: JSON.stringify({ ...report, environment: environment() }),
      signal,
    })
    const answer = response.ok ? ((await response.json()) as { remaining?: unknown }) : {} // `as`: looked at below.
    return typeof answer.remaining === 'number' ? answer.remaining : 0
  }
}

/** How a person sends them. */
export function personSender(
  env: NodeJS.ProcessEnv,
  project: string | undefined,
  environment: () => string | undefined,
): SendUses {
  let projectId: string | undefined
  return async (report, signal) => {
    const [{ connected }, { findProject }] = await Promise.all([
      import('../client.ts'),
      import('../commands/project/find-project.ts'),
    ])
    return connected(env, 'person', async (keyhold) => {
      projectId ??= (await findProject(keyhold, project)).id
      const of = environment()
      const body = { ...report, ...(of !== undefined && { environment: of }) }
      const { remaining } = await keyhold.call('secret.use', { params: { projectId }, body, signal })
      return remaining
    })
  }
}

/** How a program of a workspace sends them: its agent does. */
export function workspaceSender(env: NodeJS.ProcessEnv): SendUses {
  return async ({ run, uses }) => {
    const { askAgent, VISIT_VARIABLE } = await import('../agent/requests.ts')
    return (await askAgent(env, 'report-uses', { run, uses }, env[VISIT_VARIABLE])).remaining
  }
}
