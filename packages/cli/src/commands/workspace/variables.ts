import type { VariableSource } from '@keyhold/contract/api/deliveries'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { sayEmpty } from '../../present.ts'
import { findWorkspace } from './find-workspace.ts'
import { sayAway, shownEffect } from './shown-effect.ts'

export const command = defineCommand({
  usage: 'WORKSPACE [--json]',
  description:
    'Lists the variables and files that the workspace gets, where each comes from, and what it hides; never values. Of several\n' +
    'with one name the first counts: those of the workspace, of its linked environments in their order, of All of these projects,\n' +
    'of its owner, of outside stores.',
  arguments: [{ name: 'WORKSPACE', summary: 'name or id' }],
  options: { json: jsonOption },
  examples: [{ does: 'see what programs in a workspace get', command: 'keyhold workspace variables api' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const workspace = await findWorkspace(keyhold, args[0] ?? '')
      const { id: workspaceId, name } = workspace
      const found = await keyhold.call('workspace.variables', { params: { workspaceId } })
      if (options.json) return terminal.printJson(found)
      sayAway(terminal, workspace, found)
      for (const { project, environment } of found.unavailable)
        terminal.note(`nothing of ${project}/${environment}: the owner is no longer a member of the project`)
      for (const { variable, from, bytes } of found.tooLarge)
        terminal.note(
          `$${variable} of ${shownSource(from)} is left out: with its ${bytes} bytes the environment would be too large`,
        )
      for (const { store, path, isAllowed } of found.fromStores)
        if (!isAllowed)
          terminal.note(`nothing of ${path} of outside store ${store}: administrators do not allow it`)
      const rows = [
        ...found.variables.map((one) => {
          // Of a variable with a path it is the file that may not be there.
          const effect = found.files.find(({ path }) => path === one.path)?.effect ?? one.effect
          const holds = one.holds === 'path' ? `path ${shownFile(one.path)}` : 'value'
          return [`$${one.name}`, holds, { ...one, effect }] as const
        }),
        // A file that a variable names is there with the variable.
        ...found.files
          .filter(({ path }) => !found.variables.some((one) => one.path === path))
          .map((one) => [shownFile(one.path), 'file', one] as const),
      ]
      const fromStores = found.fromStores.filter(({ isAllowed, hiddenBy }) => isAllowed && hiddenBy === null)
      if (rows.length === 0 && fromStores.length === 0)
        return sayEmpty(
          terminal,
          `workspace ${name} gets no secrets`,
          `add one: keyhold workspace-secret set ${args[0]} GITHUB_TOKEN`,
        )
      terminal.printTable(
        ['WHERE', 'HOLDS', 'SECRET', 'FROM', 'STATE', 'HIDES'],
        [
          ...rows.map(([where, holds, { from, hides, effect }]) => [
            where,
            holds,
            from.secretName,
            shownSource(from),
            shownEffect(effect),
            [
              ...hides.map(shownSource),
              ...found.fromStores
                .filter(({ name, hiddenBy }) => hiddenBy !== null && `$${name}` === where)
                .map(shownStore),
            ].join(', '),
          ]),
          ...fromStores.map((one) => [
            one.name === null ? 'each value by its name' : `$${one.name}`,
            'value, fetched at the start',
            one.path,
            shownStore(one),
            '',
            '',
          ]),
        ],
      )
    }),
})

/** For a program, a file that nobody chose a path for is made anew. */
const shownFile = (path: string | undefined) =>
  path === undefined || path.startsWith('~/.keyhold/') ? 'of a file, while a program runs' : path

const shownStore = ({ store }: { readonly store: string }) => `outside store ${store}`

function shownSource({ kind, name }: VariableSource): string {
  if (kind === 'override') return `own value for ${name}`
  return kind === 'personal' ? `personal secrets of ${name}` : `${kind} ${name}`
}
