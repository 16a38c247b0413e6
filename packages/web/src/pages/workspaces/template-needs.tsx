import { Alert, Anchor, Button, Group, List, Stack, Text } from '@mantine/core'
import { AlertIcon } from '@primer/octicons-react'
import { queryOptions, useQuery } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { type CallAnswer, call } from '../../api.ts'
import type { Template } from '../../templates.ts'
import { StateBadge } from '../../ui/credential-state.tsx'
import { HiddenField } from '../../ui/fields.tsx'
import { QueryView } from '../../ui/query-view.tsx'
import { TextLink } from '../../ui/text-link.tsx'
import type { Workspace } from '../../workspaces.ts'
import { AddSecret } from './add-secret.tsx'
import { templateWords as words } from './messages.ts'

type Need = Template['needs'][number]

const personalQuery = queryOptions({
  queryKey: ['personal-secrets'],
  queryFn: async () => (await call('personal-secret.list')).personalSecrets,
})

const needsQuery = (workspaceId: string) =>
  queryOptions({
    queryKey: ['workspace', workspaceId, 'needs'],
    queryFn: () => call('workspace.needs', { params: { workspaceId } }),
  })

interface NewProps {
  readonly needs: readonly Need[]
  /** By name of the variable. */
  readonly values: Readonly<Record<string, string>>
  readonly onValues: (values: Readonly<Record<string, string>>) => void
  readonly action: { readonly error: unknown }
}

/** What a template names, before a workspace is made of it: what each is for, and a line for one's own value. */
export function TemplateNeeds({ needs, values, onValues, action }: NewProps) {
  const own = useQuery(personalQuery)
  if (needs.length === 0) return <Text size="sm">{words.needsNone}</Text>
  return (
    <Stack gap="xs" component="section" aria-label={words.needs}>
      <Text fw={600}>{words.needs}</Text>
      <QueryView query={own}>
        {(secrets) => (
          <NeedList
            needs={needs.map((need) => ({ ...need, isPresent: isEverywhere(secrets, need.name) }))}
            below={({ name, isPresent }) =>
              isPresent ? (
                <Text size="sm">{words.fromYou}</Text>
              ) : (
                <HiddenField
                  aria-label={words.valueOf(name)}
                  placeholder={words.value}
                  field={name}
                  action={action}
                  value={values[name] ?? ''}
                  onValue={(value) => onValues({ ...values, [name]: value })}
                />
              )
            }
          />
        )}
      </QueryView>
      <Text size="sm" c="dimmed">
        {words.addThem}
      </Text>
    </Stack>
  )
}

/** What goes into all workspaces of the person is there once the workspace is. */
const isEverywhere = (
  secrets: CallAnswer<'personal-secret.list'>['personalSecrets'],
  name: string,
): boolean =>
  secrets.some(
    ({ envName, workspaces, isEnabled, status }) =>
      envName === name && workspaces === 'all' && isEnabled && status !== 'expired',
  )

interface ListProps<One> {
  readonly needs: readonly One[]
  /** What can be done about one. */
  readonly below?: (need: One) => ReactNode
}

function NeedList<One extends Need & { readonly isPresent: boolean }>({ needs, below }: ListProps<One>) {
  return (
    <List styles={{ itemWrapper: { width: '100%' }, itemLabel: { width: '100%' } }}>
      {needs.map((need) => (
        <List.Item key={need.name}>
          <NeedText need={need} />
          {below?.(need)}
        </List.Item>
      ))}
    </List>
  )
}

function NeedText({ need }: { need: Need & { readonly isPresent: boolean } }) {
  const { name, description, documentationUrl, isRequired, isPresent } = need
  return (
    <>
      <Group gap="xs">
        <code className="breaks">{name}</code>
        <StateBadge
          label={isPresent ? words.present : words.missing}
          color={isPresent ? 'green' : isRequired ? 'red' : 'yellow'}
        />
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
    </>
  )
}

/** What a workspace needs, and which of it is missing. Nothing for one that was made of no template. */
export function WorkspaceNeeds({ workspace: { id, level } }: { workspace: Workspace }) {
  const { data } = useQuery(needsQuery(id))
  const [added, setAdded] = useState<Need>()
  if (data === undefined || data.needs.length === 0) return null
  const missing = data.needs.filter(({ isPresent }) => !isPresent).length
  return (
    <Stack gap="xs" component="section" aria-label={words.needs}>
      <Text fw={600}>{words.needs}</Text>
      <NeedList
        needs={data.needs}
        below={(need) =>
          !need.isPresent &&
          level === 'owner' && (
            <Button
              variant="default"
              size="xs"
              my={4}
              aria-label={words.addOf(need.name)}
              onClick={() => setAdded(need)}
            >
              {words.add}
            </Button>
          )
        }
      />
      {added && (
        <AddSecret
          workspaceId={id}
          of={added}
          onClose={() => setAdded(undefined)}
          onSaved={() => setAdded(undefined)}
        />
      )}
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
