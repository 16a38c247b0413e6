import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'

export const command = defineCommand({
  usage: 'NAME [--description=TEXT]',
  description: 'You become its Admin. The id is printed on standard output.',
  arguments: [{ name: 'NAME', summary: 'name of the project' }],
  options: {
    description: { type: 'string', placeholder: 'TEXT', summary: 'what the project is for' },
    json: jsonOption,
  },
  examples: [
    { does: 'create a project', command: 'keyhold project create shop --description="the web shop"' },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [name = ''] = args
      const { description } = options
      const project = await keyhold.call('project.create', {
        body: { name, ...(description !== undefined && { description }) },
      })
      if (options.json) return terminal.printJson(project)
      terminal.note(`project ${project.name} created; it has the environment All`)
      const { projects } = await keyhold.call('project.list')
      const isOnlyName = projects.filter(({ name: other }) => other === project.name).length === 1
      // Of one project only nothing has to be said.
      const which = projects.length === 1 ? '' : ` --project=${isOnlyName ? project.name : project.id}`
      terminal.hint(`add a secret: keyhold secret set GITHUB_TOKEN${which}`)
      terminal.print(project.id)
    }),
})
