import { Alert, Anchor, Group, List, Stack, Text } from '@mantine/core'
import { AlertIcon } from '@primer/octicons-react'
import { queryOptions, useQuery } from '@tanstack/react-query'
import { type CallAnswer, call } from '../../api.ts'
import { StateBadge } from '../../ui/credential-state.tsx'
import { TextLink } from '../../ui/text-link.tsx'
import type { Workspace } from '../../workspaces.ts'
import { templateWords as words } from './messages.ts'

type Need = CallAnswer<'template.list'>['templates'][number]['needs'][number]

export const templatesQuery = queryOptions({
  queryKey: ['templates'],
  queryFn: async () => (await call('template.list')).templates,
})

const needsQuery = (workspaceId: string) =>
  queryOptions({
    queryKey: ['workspace', workspaceId, 'needs'],
    queryFn: () => call('workspace.needs', { params: { workspaceId } }),
  })

/** What a template names, before a workspace is made of it: names and what they are for. */
export function TemplateNeeds({ needs }: { needs: readonly Need[] }) {
  if (needs.length === 0) return <Text size="sm">{words.needsNone}</Text>
  return (
    <Stack gap="xs">
      <Text fw={600}>{words.needs}</Text>
      <NeedList needs={needs} />
      <Text size="sm" c="dimmed">
        {words.addThem}
      </Text>
    </Stack>
  )
}

/** @param needs with `isPresent`: of a workspace, where it is known what is there */
function NeedList({ needs }: { needs: readonly (Need & { readonly isPresent?: boolean })[] }) {
  return (
    <List>
      {needs.map(({ name, description, documentationUrl, isRequired, isPresent }) => (
        <List.Item key={name}>
          <Group gap="xs">
            <code className="breaks">{name}</code>
            {isPresent !== undefined && (
              <StateBadge
                label={isPresent ? words.present : words.missing}
                color={isPresent ? 'green' : isRequired ? 'red' : 'yellow'}
              />
            )}
            <StateBadge label={isRequired ? words.required : words.suggested} color="gray" />
          </Group>
          <Text size="sm" className="breaks">
            {description}{' '}
            {documentationUrl !== null && (
              <Anchor
                href={documentationUrl}
                target="_blank"
                rel="noreferrer"
                size="sm"
                underline="always"
                aria-label={words.howOf(name)}
              >
                {words.how}
              </Anchor>
            )}
          </Text>
        </List.Item>
      ))}
    </List>
  )
}

/** What a workspace needs, and which of it is missing. Nothing for one that was made of no template. */
export function WorkspaceNeeds({ workspace: { id, level } }: { workspace: Workspace }) {
  const { data } = useQuery(needsQuery(id))
  if (data === undefined || data.needs.length === 0) return null
  const missing = data.needs.filter(({ isPresent }) => !isPresent).length
  return (
    <Stack gap="xs" component="section" aria-label={words.needs}>
      <Text fw={600}>{words.needs}</Text>
      <NeedList needs={data.needs} />
      {missing > 0 && (
        <Alert color="yellow" variant="light" title={words.missingTitle(missing)} icon={<AlertIcon />}>
          {words.missingText}{' '}
          {level === 'owner' && (
            <TextLink
              to="/workspaces/$workspaceId/settings/secrets"
              params={{ workspaceId: id }}
              underline="always"
              inherit
              c="inherit"
            >
              {words.addLink}
            </TextLink>
          )}
        </Alert>
      )}
    </Stack>
  )
}
