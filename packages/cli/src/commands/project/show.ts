import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { shownTime } from '../../present.ts'
import { findProject, shownRole } from './find-project.ts'

export const command = defineCommand({
  usage: '[PROJECT] [--json]',
  description: 'With an access key in the environment it shows the project that the key opens.',
  arguments: [
    { name: 'PROJECT', summary: 'name or id; not needed when you are in only one', isOptional: true },
  ],
  options: { json: jsonOption },
  examples: [{ does: 'show a project', command: 'keyhold project show shop' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'any', async (keyhold) => {
      if (keyhold.credentialKind === 'access-key') {
        const current = await keyhold.project()
        if (options.json) return terminal.printJson(current)
        const permission = current.permission === 'read' ? 'Read' : 'Read & Write'
        terminal.print(`Name        ${current.project.name}`)
        terminal.print(`Id          ${current.project.id}`)
        terminal.print(`Access key  ${current.accessKeyId}, ${permission}`)
        return
      }
      const project = await findProject(keyhold, args[0] ?? (env.KEYHOLD_PROJECT || undefined))
      if (options.json) return terminal.printJson(project)
      terminal.print(`Name         ${project.name}`)
      terminal.print(`Id           ${project.id}`)
      terminal.print(`Your role    ${shownRole[project.role]}`)
      terminal.print(`Created      ${shownTime(project.createdAt)}`)
      terminal.print(`Description  ${project.description}`)
    }),
})
