import type { Member } from '@keyhold/contract/api/projects'
import type { Keyhold } from '@keyhold/sdk'
import { Failure } from '../../failure.ts'

export const roleOption = {
  type: 'string',
  placeholder: 'ROLE',
  summary: 'what the person may do in the project',
  choices: ['admin', 'regular', 'read_only'],
} as const

/** Finds a member by e-mail address, account id or exact name. @throws Failure, KeyholdError */
export async function findMember(keyhold: Keyhold, projectId: string, wanted: string): Promise<Member> {
  const { members } = await keyhold.call('member.list', { params: { projectId } })
  const exact = members.find(
    ({ person }) => person.id === wanted || person.email.toLowerCase() === wanted.toLowerCase(),
  )
  if (exact !== undefined) return exact
  const [named, ...others] = members.filter(({ person }) => person.name === wanted)
  if (named !== undefined && others.length === 0) return named
  throw new Failure(
    named === undefined
      ? `${wanted} is not a member of the project (member.not_found)`
      : `several members are called ${wanted}`,
    { hints: ['the members, with their e-mail addresses: keyhold member list'] },
  )
}
