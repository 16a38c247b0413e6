import type { WorkloadIdentity } from '@keyhold/contract/api/workload-identities'
import type { Keyhold } from '@keyhold/sdk'
import { Failure } from '../../failure.ts'

export const identityArgument = { name: 'IDENTITY', summary: 'id, or name if only one has it' } as const

/** Finds one of the project. @throws Failure, KeyholdError */
export async function findWorkloadIdentity(
  keyhold: Keyhold,
  projectId: string,
  wanted: string,
): Promise<WorkloadIdentity> {
  const { workloadIdentities } = await keyhold.call('workload-identity.list', { params: { projectId } })
  const named = workloadIdentities.filter(({ name }) => name === wanted)
  const found =
    workloadIdentities.find(({ id }) => id === wanted) ?? (named.length === 1 ? named[0] : undefined)
  if (found !== undefined) return found
  throw new Failure(
    named.length > 1
      ? `${named.length} workload identities of the project have this name`
      : `workload identity ${wanted} not found (workload_identity.not_found)`,
    { hints: ['those of the project, with their ids: keyhold workload-identity list'] },
  )
}
