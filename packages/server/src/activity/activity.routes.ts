import { Readable } from 'node:stream'
import {
  type AuditRecord,
  exportAudit,
  getCheckpoint,
  listAudit,
  proveAuditGrowth,
  proveAuditRecord,
} from '@keyhold/contract/api/audit'
import { auditLine } from '@keyhold/contract/audit-line'
import { toBase64 } from '@keyhold/contract/checkpoint'
import { type Access, instance } from '../access/access.ts'
import type { Asker, Machine, Person } from '../access/caller.ts'
import type { Accounts } from '../accounts/accounts.service.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { Http } from '../http/http.ts'
import type { Projects } from '../projects/projects.service.ts'

const PAGE = 50

/** Reading the audit log: administrators see all of it, others their own acts, and the projects and workspaces they are Admin of. */
export function activityRoutes(
  http: Http<Person, Machine>,
  audit: AuditLog,
  access: Access,
  accounts: Accounts,
  projects: Pick<Projects, 'listAdministered'>,
  workspaces: Pick<Projects, 'listAdministered'>,
): void {
  async function visibleTo({ caller }: Asker<Person>) {
    if (caller.role === 'admin') return undefined
    const { accountId } = caller
    const [projectIds, workspaceIds] = await Promise.all([
      projects.listAdministered(accountId),
      workspaces.listAdministered(accountId),
    ])
    return { accountId, projectIds, workspaceIds }
  }

  http.person(listAudit, async ({ caller, origin, query }) => {
    // An unknown address filters to nothing, like an unknown id.
    const person = query.person?.includes('@')
      ? ((await accounts.findByEmail(query.person))?.id ?? '')
      : query.person
    const filter = {
      actorId: query.accessKey ?? person,
      secretName: query.secret,
      action: query.action,
      projectId: query.project,
      workspaceId: query.workspace,
      outcome: query.outcome,
      from: query.from === undefined ? undefined : Date.parse(query.from),
      to: query.to === undefined ? undefined : Date.parse(query.to),
      start: query.start,
      before: query.cursor,
      visibleTo: await visibleTo({ caller, origin }),
    }
    const page = await access.check({ caller, origin }, 'audit.read', instance, () =>
      audit.list(filter, query.limit ?? PAGE),
    )
    return {
      records: page.records.map((record) => ({ ...record, line: auditLine(record) })),
      nextCursor: page.nextCursor,
      begin: page.begin,
    }
  })

  http.person(getCheckpoint, async ({ caller, origin }) => {
    const checkpoint = await access.check({ caller, origin }, 'audit.read', instance, () =>
      audit.checkpoint(),
    )
    return { checkpoint, verifierKey: audit.verifierKey }
  })

  http.person(proveAuditRecord, async ({ caller, origin, params }) => {
    const asker = { caller, origin }
    const visible = await visibleTo(asker)
    const isVisible = ({ actor, project, workspace }: AuditRecord) =>
      visible === undefined ||
      actor.id === visible.accountId ||
      (project !== undefined && visible.projectIds.includes(project.id)) ||
      (workspace !== undefined && visible.workspaceIds.includes(workspace))
    return access.check(asker, 'audit.read', instance, async () => ({
      proof: await audit.prove(params.index, isVisible),
    }))
  })

  http.person(proveAuditGrowth, async ({ caller, origin, query }) => {
    const { hashes, checkpoint } = await access.check({ caller, origin }, 'audit.read', instance, () =>
      audit.proveGrowth(query.size),
    )
    return { hashes: hashes.map(toBase64), checkpoint, verifierKey: audit.verifierKey }
  })

  http.person(exportAudit, async ({ caller, origin, setHeader }) => {
    await access.perform({ caller, origin }, 'audit.export', instance, async () => ({
      result: undefined,
      record: {},
    }))
    setHeader('content-type', 'text/plain; charset=utf-8')
    // `as`: the one answer that is a stream; its row says so.
    return Readable.from(audit.export()) as unknown as string
  })
}
