import type { Workspace } from '@keyhold/contract/api/workspaces'
import { type Keyhold, KeyholdError } from '@keyhold/sdk'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { shownTime, shownTimeOr } from '../../present.ts'
import { findWorkspace, shownLevel } from './find-workspace.ts'
import { effectLine } from './shown-effect.ts'

export const command = defineCommand({
  usage: 'WORKSPACE [--json]',
  arguments: [{ name: 'WORKSPACE', summary: 'name or id' }],
  options: { json: jsonOption },
  examples: [{ does: 'show a workspace', command: 'keyhold workspace show api' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const workspace = await findWorkspace(keyhold, args[0] ?? '')
      if (options.json) return terminal.printJson(workspace)
      terminal.print(`Name         ${workspace.name}`)
      terminal.print(`Id           ${workspace.id}`)
      terminal.print(`Owner        ${workspace.owner.name} (${workspace.owner.email})`)
      terminal.print(`You are      ${shownLevel[workspace.level]}`)
      terminal.print(`Created      ${shownTime(workspace.createdAt)}`)
      terminal.print(`Agent        ${shownAgent(workspace)}`)
      const found = await findVariables(keyhold, workspace)
      if (found) terminal.print(`Secrets      ${effectLine(found)}`)
      terminal.print(`Description  ${workspace.description}`)
      for (const [i, { project, environment, isAvailable }] of workspace.environments.entries()) {
        const title = i === 0 ? 'Secrets of  ' : '            '
        const lost = isAvailable ? '' : ', of which the owner is no longer a member: nothing is delivered'
        terminal.print(`${title} ${project}/${environment}${lost}`)
      }
      if (workspace.level === 'view') return
      const { needs } = await keyhold.call('workspace.needs', { params: { workspaceId: workspace.id } })
      for (const [i, { name, isPresent, isRequired, description }] of needs.entries()) {
        const state = isPresent ? 'present' : isRequired ? 'missing: it does not start' : 'missing'
        const what = description === '' ? '' : ` (${description})`
        terminal.print(`${i === 0 ? 'Needs       ' : '            '} ${name}: ${state}${what}`)
      }
    }),
})

/** @returns undefined for View and for tokens that may not know which secrets there are. */
async function findVariables(keyhold: Keyhold, { id, level }: Workspace) {
  if (level === 'view') return undefined
  return keyhold.call('workspace.variables', { params: { workspaceId: id } }).catch((error: unknown) => {
    if (error instanceof KeyholdError && error.status === 403) return undefined
    throw error
  })
}

function shownAgent({ name, agent }: Workspace): string {
  if (agent === null) return `none; let one join with: keyhold workspace enroll ${name}`
  const { isConnected, since, release, loginName } = agent
  const what = `release ${release}, as ${loginName}`
  if (isConnected) return `connected since ${shownTimeOr(since, '?')} (${what})`
  return since === null ? `has not connected yet (${what})` : `away since ${shownTime(since)} (${what})`
}
