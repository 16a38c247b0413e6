import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { findProject } from './find-project.ts'

export const command = defineCommand({
  usage: 'PROJECT [--name=NAME] [--description=TEXT]',
  arguments: [{ name: 'PROJECT', summary: 'name or id' }],
  options: {
    name: { type: 'string', placeholder: 'NAME', summary: 'new name' },
    description: { type: 'string', placeholder: 'TEXT', summary: 'new description' },
    json: jsonOption,
  },
  examples: [{ does: 'rename a project', command: 'keyhold project update shop --name=store' }],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const { name, description } = options
      if (name === undefined && description === undefined) {
        throw usageFailure('nothing to change', 'give --name or --description')
      }
      const { id } = await findProject(keyhold, args[0])
      const project = await keyhold.call('project.update', {
        params: { projectId: id },
        body: { ...(name !== undefined && { name }), ...(description !== undefined && { description }) },
      })
      if (options.json) return terminal.printJson(project)
      terminal.note(`project ${project.name} updated`)
    }),
})
