import { getInstance, type Instance } from '@keyhold/contract/api/instance'
import { type Access, instance } from '../access/access.ts'
import type { Machine, Person } from '../access/caller.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { Http } from '../http/http.ts'
import type { RootKeys } from './root-keys.service.ts'

/** What the rest of the server knows of the instance. */
interface Parts extends Pick<Instance, 'url' | 'release' | 'database' | 'hasMail' | 'options'> {
  readonly access: Access
  readonly audit: AuditLog
  readonly rootKeys: RootKeys
  readonly checks: () => Promise<Readonly<Record<string, string>>>
}

const toText = (date: Date | null): string | null => date?.toISOString() ?? null

/** How the instance is, for administrators. */
export function instanceRoutes(http: Http<Person, Machine>, parts: Parts): void {
  const { access, audit, rootKeys, checks, ...known } = parts

  http.person(getInstance, ({ caller, origin }) =>
    access.check({ caller, origin }, 'instance.read', instance, async () => {
      const status = await rootKeys.status()
      const backups = await audit.list({ action: 'backup.create', outcome: 'success' }, 1)
      return {
        ...known,
        checks: await checks(),
        rootKeys: status.rootKeys.map((key) => ({
          fingerprint: key.fingerprint,
          state: key.state,
          createdAt: key.createdAt.toISOString(),
          activatedAt: toText(key.activatedAt),
          retiredAt: toText(key.retiredAt),
          kitMadeAt: toText(key.kitMadeAt),
          kitProvenAt: toText(key.kitProvenAt),
        })),
        servers: status.servers.map(({ startedAt, seenAt, ...server }) => ({
          ...server,
          startedAt: startedAt.toISOString(),
          seenAt: seenAt.toISOString(),
        })),
        auditVerifierKey: audit.verifierKey,
        lastBackupAt: backups.records[0]?.time ?? null,
      }
    }),
  )
}
