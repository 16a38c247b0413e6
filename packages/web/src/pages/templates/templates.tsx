import { ActionIcon, Button, Code, Group, Table, Text } from '@mantine/core'
import { PencilIcon, TrashIcon } from '@primer/octicons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api.ts'
import { queryClient } from '../../query-client.ts'
import { type Template, templatesQuery } from '../../templates.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { EmptyState } from '../../ui/empty-state.tsx'
import { shared } from '../../ui/messages.ts'
import { Page } from '../../ui/page.tsx'
import { Grid } from '../../ui/part.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { Time } from '../../ui/time.tsx'
import { words } from './messages.ts'
import { TemplateForm } from './template-form.tsx'

/** What new workspaces start from. */
export function Templates() {
  const query = useQuery(templatesQuery)
  const [edited, setEdited] = useState<Template | 'new'>()
  const [doomed, setDoomed] = useState<Template>()
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={<Button onClick={() => setEdited('new')}>{words.new}</Button>}
    >
      <QueryView query={query}>
        {(templates) =>
          templates.length === 0 ? (
            <EmptyState title={words.empty}>{words.emptyText}</EmptyState>
          ) : (
            <Grid columns={[words.name, words.needs, words.owner, words.changed]} actions={words.actions}>
              {templates.map((template) => (
                <Row key={template.id} template={template} onEdit={setEdited} onDelete={setDoomed} />
              ))}
            </Grid>
          )
        }
      </QueryView>
      {edited && (
        <TemplateForm template={edited === 'new' ? undefined : edited} onClose={() => setEdited(undefined)} />
      )}
      {doomed && (
        <Confirm
          title={words.deleteTitle}
          action={shared.delete}
          onConfirm={async () => {
            await call('template.delete', { params: { templateId: doomed.id } })
            await queryClient.invalidateQueries({ queryKey: templatesQuery.queryKey })
          }}
          onClose={() => setDoomed(undefined)}
        >
          {words.deleteText(doomed.name)}
        </Confirm>
      )}
    </Page>
  )
}

interface RowProps {
  readonly template: Template
  readonly onEdit: (template: Template) => void
  readonly onDelete: (template: Template) => void
}

function Row({ template, onEdit, onDelete }: RowProps) {
  const { name, description, needs, owner, isYours, updatedAt } = template
  return (
    <Table.Tr>
      <Table.Th scope="row" fw={500} className="breaks">
        {name}
        <Text size="sm" c="dimmed">
          {description}
        </Text>
      </Table.Th>
      <Table.Td className="breaks">
        {needs.length === 0 && words.needsNothing}
        {needs.map((need) => (
          <Text key={need.name} size="sm">
            <Code>{need.name}</Code> {need.isRequired && words.required}
          </Text>
        ))}
      </Table.Td>
      <Table.Td className="breaks">{owner.name}</Table.Td>
      <Table.Td>
        <Time time={updatedAt} isDate />
      </Table.Td>
      <Table.Td className="actions">
        {isYours && (
          <Group gap={4} wrap="nowrap" justify="flex-end">
            <ActionIcon
              variant="subtle"
              color="gray"
              size="lg"
              aria-label={words.edit(name)}
              onClick={() => onEdit(template)}
            >
              <PencilIcon />
            </ActionIcon>
            <ActionIcon
              variant="subtle"
              color="red"
              size="lg"
              aria-label={words.delete(name)}
              onClick={() => onDelete(template)}
            >
              <TrashIcon />
            </ActionIcon>
          </Group>
        )}
      </Table.Td>
    </Table.Tr>
  )
}
