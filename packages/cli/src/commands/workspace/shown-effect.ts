import type { Effect, WorkspaceVariables } from '@keyhold/contract/api/deliveries'
import type { Workspace } from '@keyhold/contract/api/workspaces'
import { problemTexts } from '../../agent/problem-texts.ts'
import { shownTime } from '../../present.ts'
import type { Terminal } from '../../terminal.ts'

/** Whether programs get it as it is now. */
export function shownEffect({ state, version, problem }: Effect): string {
  if (state === 'in-effect') return 'in effect'
  if (state === 'pending') return version === null ? 'pending' : `pending (version ${version} is in effect)`
  if (problem === undefined || problem === 'left-out') return 'left out: a reference has no value'
  return `not written: ${problemTexts[problem]}`
}

/** What is in effect, in a line. @param found what the workspace gets. */
export function effectLine({ variables, files, applied }: WorkspaceVariables): string {
  const all = new Map([...variables, ...files].map(({ from, effect }) => [from.secretId, effect]))
  // A file that was refused is the one to tell of, though its variable is in effect.
  for (const { from, effect } of files) if (effect.state !== 'in-effect') all.set(from.secretId, effect)
  const count = (state: Effect['state']) =>
    [...all.values()].filter((effect) => effect.state === state).length
  const parts = [
    `${count('in-effect')} in effect`,
    ...(count('pending') > 0 ? [`${count('pending')} pending`] : []),
    ...(count('refused') > 0 ? [`${count('refused')} not in effect, see keyhold workspace variables`] : []),
  ]
  if (applied && !applied.isCurrent && count('pending') === 0)
    parts.push('something that was taken away is still in effect')
  return `${parts.join(', ')}${applied ? `, as the agent said ${shownTime(applied.at)}` : ''}`
}

/** Says that nobody is there who could put anything into effect. */
export function sayAway(terminal: Terminal, { agent }: Workspace, { applied }: WorkspaceVariables): void {
  if (agent?.isConnected) return
  terminal.note(
    agent === null
      ? 'no agent has joined the workspace: nothing is in effect'
      : applied === null
        ? 'the agent of the workspace is not connected: nothing is in effect'
        : 'the agent of the workspace is not connected: what follows is what it said last',
  )
}
