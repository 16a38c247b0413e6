import * as api from '@keyhold/contract/api/uses'
import { inProject, inWorkspace } from '../../access/access.ts'
import type { Asker, Machine, Person, WorkspaceAgent } from '../../access/caller.ts'
import type { Http } from '../../http/http.ts'
import type { Uses } from './use.service.ts'
import type { UsableSecrets } from './use.ts'

/**
 * @param ofProject what an environment of a project delivers. @param ofWorkspace what a workspace gets.
 * @param visitorOf who is told to have used something, by the pass of a session.
 */
export function useRoutes(
  http: Http<Person, Machine, WorkspaceAgent>,
  uses: Uses,
  ofProject: (projectId: string, environment: string | undefined) => UsableSecrets,
  ofWorkspace: (asker: Asker<WorkspaceAgent>) => Promise<UsableSecrets>,
  visitorOf: (asker: Asker<WorkspaceAgent>, pass: string | undefined) => Promise<Asker<WorkspaceAgent>>,
): void {
  const about = ({ environment }: api.UseReport) => (environment === undefined ? {} : { environment })
  http.person(api.reportUses, async ({ caller, origin, params: { projectId }, body }) =>
    uses.report(
      { caller, origin },
      inProject(projectId, about(body)),
      body,
      ofProject(projectId, body.environment),
    ),
  )
  http.machine(api.reportCurrentUses, async ({ caller, origin, body }) => {
    const { id } = caller.project
    return uses.report({ caller, origin }, inProject(id, about(body)), body, ofProject(id, body.environment))
  })
  http.workspace(api.reportWorkspaceUses, async ({ caller, origin, body }) => {
    const asker = await visitorOf({ caller, origin }, body.pass)
    return uses.report(asker, inWorkspace(caller.workspaceId), body, await ofWorkspace(asker))
  })
}
