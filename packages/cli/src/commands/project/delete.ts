import { connected } from '../../client.ts'
import { defineCommand } from '../../command.ts'
import { confirmTyped } from '../../present.ts'
import { findProject } from './find-project.ts'

export const command = defineCommand({
  usage: 'PROJECT [--confirm=NAME]',
  description:
    "Its environments, secrets and access keys go with it. You are asked to type the project's name.",
  arguments: [{ name: 'PROJECT', summary: 'name or id' }],
  options: {
    confirm: {
      type: 'string',
      placeholder: 'NAME',
      summary: "the project's name, exactly, in place of being asked",
    },
  },
  examples: [{ does: 'delete a project in a script', command: 'keyhold project delete shop --confirm=shop' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const project = await findProject(keyhold, args[0])
      confirmTyped(
        terminal,
        options.confirm,
        project.name,
        `project ${project.name} will be deleted, with its environments, secrets and access keys`,
      )
      await keyhold.call('project.delete', {
        params: { projectId: project.id },
        query: { confirm: project.name },
      })
      terminal.note(`project ${project.name} deleted`)
    }),
})
