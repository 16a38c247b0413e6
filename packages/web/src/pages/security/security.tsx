import { Alert, Anchor, Button, Group, Stack, Text } from '@mantine/core'
import { queryOptions, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { type CallAnswer, call, codeOf } from '../../api.ts'
import { credentialsQuery } from '../../credentials.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { CopyIconButton } from '../../ui/copy-button.tsx'
import { ErrorMessage } from '../../ui/error-message.tsx'
import { shared } from '../../ui/messages.ts'
import { Page } from '../../ui/page.tsx'
import { RevealedValue } from '../../ui/revealed-value.tsx'
import { SecretOnce } from '../../ui/secret-once.tsx'
import { useAction } from '../../ui/use-action.ts'
import { AddApiKey, AddPersonalSecret, AddSshKey, ConnectRepository, GenerateGpgKey } from './dialogs.tsx'
import { EditApiKey, EditButton, EditPersonalSecret, ImportGpgKey } from './edit-dialogs.tsx'
import {
  apiKeyWords,
  gpgWords,
  identityWords,
  personalWords,
  repositoryWords,
  sshKeyWords,
  words,
} from './messages.ts'
import { type Row, refresh, Section } from './section.tsx'

const problemOf = (status: string) => (status === 'expired' ? shared.expired : undefined)

/** The six sections of what is linked to a person's profile. */
export function Security() {
  return (
    <Page
      title={words.title}
      lead={words.lead}
      actions={
        <Anchor component={Link} to="/security/expiry">
          {words.expiryLink}
        </Anchor>
      }
    >
      <Repositories />
      <PersonalSecrets />
      <SshKeys />
      <SshIdentity />
      <ApiKeys />
      <GpgKeys />
    </Page>
  )
}

const repositoryQuery = queryOptions({
  queryKey: ['security', 'repositories'],
  queryFn: async () => (await call('repository.list')).connections,
})

const repositoryRow = (one: CallAnswer<'repository.list'>['connections'][number]): Row => ({
  id: one.id,
  name: one.host,
  createdAt: one.createdAt,
  lastUsedAt: one.lastUsedAt,
  details: (
    <>
      {repositoryWords[one.method]} · {repositoryWords[one.kind]}
      {one.login !== null && ` · ${one.login}`}
      {one.sshPublicKey !== null && (
        <Group gap={4}>
          <Anchor href={one.sshKeysUrl} target="_blank" rel="noreferrer" size="sm">
            {identityWords.publicKey}
          </Anchor>
          <CopyIconButton value={one.sshPublicKey} name={identityWords.publicKey} />
        </Group>
      )}
    </>
  ),
  problem: one.health.reason ?? undefined,
  ...(one.hasToken && { actions: <SwitchMethod id={one.id} method={one.method} /> }),
})

function Repositories() {
  const query = useQuery(repositoryQuery)
  const providers = useQuery({
    queryKey: ['security', 'providers'],
    queryFn: async () => (await call('repository-provider.list')).providers,
  })
  const [isAdding, setAdding] = useState(false)
  const hasProviders = (providers.data?.length ?? 0) > 0
  return (
    <Section
      words={repositoryWords}
      query={query}
      toRow={repositoryRow}
      onAdd={() => setAdding(true)}
      isFull={!hasProviders}
      remove={({ id }) => call('repository.disconnect', { params: { connectionId: id } })}
    >
      {providers.data?.length === 0 && <Text size="sm">{repositoryWords.noProviders}</Text>}
      {isAdding && providers.data && (
        <ConnectRepository providers={providers.data} onClose={() => setAdding(false)} />
      )}
    </Section>
  )
}

function SwitchMethod({ id, method }: { id: string; method: 'oauth' | 'ssh' }) {
  const cache = useQueryClient()
  const other = method === 'oauth' ? 'ssh' : 'oauth'
  const change = useAction(async () => {
    await call('repository.update', { params: { connectionId: id }, body: { method: other } })
    await refresh(cache)
  })
  return (
    <>
      <Button variant="subtle" size="xs" onClick={() => void change.run()} loading={change.isRunning}>
        {repositoryWords[other]}
      </Button>
      <ErrorMessage error={change.error} />
    </>
  )
}

const personalQuery = queryOptions({
  queryKey: ['security', 'personal-secrets'],
  queryFn: async () => (await call('personal-secret.list')).personalSecrets,
})

const personalRow = (one: CallAnswer<'personal-secret.list'>['personalSecrets'][number]): Row => ({
  ...one,
  details: [one.envName !== null && `$${one.envName}`, one.filePath].filter(Boolean).join(' · '),
  problem: problemOf(one.status),
  actions: (
    <RevealedValue
      name={one.name}
      reveal={async () => {
        const answer = await call('personal-secret.reveal', {
          params: { personalSecretId: one.id },
          body: {},
        })
        return answer.value
      }}
    />
  ),
})

function PersonalSecrets() {
  const query = useQuery(personalQuery)
  const [isAdding, setAdding] = useState(false)
  const [edited, setEdited] = useState<CallAnswer<'personal-secret.list'>['personalSecrets'][number]>()
  return (
    <Section
      words={personalWords}
      query={query}
      toRow={(one) => {
        const row = personalRow(one)
        const actions = (
          <>
            <EditButton name={one.name} onClick={() => setEdited(one)} />
            {row.actions}
          </>
        )
        return { ...row, actions }
      }}
      onAdd={() => setAdding(true)}
      remove={({ id }) => call('personal-secret.delete', { params: { personalSecretId: id } })}
    >
      {isAdding && <AddPersonalSecret onClose={() => setAdding(false)} />}
      {edited && <EditPersonalSecret secret={edited} onClose={() => setEdited(undefined)} />}
    </Section>
  )
}

const sshKeyQuery = queryOptions({
  queryKey: ['security', 'ssh-keys'],
  queryFn: () => call('ssh-key.list'),
})

const sshKeyRow = (one: CallAnswer<'ssh-key.list'>[number]): Row => ({
  // The address of a key is its fingerprint.
  id: one.publicKeyFingerprint,
  name: one.title,
  details: `${one.type} · ${one.publicKeyFingerprint}`,
  createdAt: one.createdAt,
  lastUsedAt: one.lastUsedAt,
  expiresAt: one.expiresAt,
  problem: problemOf(one.status),
})

function SshKeys() {
  const query = useQuery(sshKeyQuery)
  const [isAdding, setAdding] = useState(false)
  return (
    <Section
      words={sshKeyWords}
      query={query}
      toRow={sshKeyRow}
      onAdd={() => setAdding(true)}
      remove={({ id }) => call('ssh-key.delete', { body: { publicKeyFingerprint: id } })}
    >
      <Anchor component={Link} to="/security/ssh">
        {sshKeyWords.guide}
      </Anchor>
      {isAdding && <AddSshKey onClose={() => setAdding(false)} />}
    </Section>
  )
}

const identityQuery = queryOptions({
  queryKey: ['security', 'ssh-identity'],
  queryFn: async ({ client }) => {
    // Asked for only where there is one: a browser writes each 404 into its console.
    const credentials = await client.fetchQuery({ ...credentialsQuery, staleTime: 0 })
    if (!credentials.some(({ kind }) => kind === 'ssh-identity')) return []
    try {
      return [await call('ssh-identity.get')]
    } catch (error) {
      if (codeOf(error) === 'ssh_identity.not_found') return []
      throw error
    }
  },
})

const identityRow = (one: CallAnswer<'ssh-identity.get'>): Row => ({
  ...one,
  name: identityWords.name,
  details: (
    <Group gap={4} wrap="nowrap">
      <span className="breaks">{one.publicKey}</span>
      <CopyIconButton value={one.publicKey} name={identityWords.publicKey} />
    </Group>
  ),
})

function SshIdentity() {
  const cache = useQueryClient()
  const query = useQuery(identityQuery)
  const [isReplacing, setReplacing] = useState(false)
  const generate = async (replace: boolean) => {
    await call('ssh-identity.create', { body: { replace } })
    await refresh(cache)
  }
  const first = useAction(() => generate(false))
  const isThere = (query.data?.length ?? 0) > 0
  return (
    <Section
      words={identityWords}
      query={query}
      toRow={identityRow}
      onAdd={() => void first.run()}
      isFull={isThere}
      remove={() => call('ssh-identity.delete')}
    >
      <ErrorMessage error={first.error} />
      {isThere && (
        <Group>
          <Button variant="default" onClick={() => setReplacing(true)}>
            {identityWords.replace}
          </Button>
        </Group>
      )}
      {isReplacing && (
        <Confirm
          title={identityWords.replaceTitle}
          action={identityWords.replace}
          onConfirm={() => generate(true)}
          onClose={() => setReplacing(false)}
        >
          {identityWords.replaceText}
        </Confirm>
      )}
    </Section>
  )
}

const apiKeyQuery = queryOptions({
  queryKey: ['security', 'api-keys'],
  queryFn: async () => (await call('api-key.list')).apiKeys,
})

const apiKeyRow = (one: CallAnswer<'api-key.list'>['apiKeys'][number]): Row => ({
  ...one,
  details: [one.service, one.allowedHosts.join(', ')].filter(Boolean).join(' · '),
  problem: problemOf(one.status),
})

function ApiKeys() {
  const query = useQuery(apiKeyQuery)
  const [isAdding, setAdding] = useState(false)
  const [edited, setEdited] = useState<CallAnswer<'api-key.list'>['apiKeys'][number]>()
  return (
    <Section
      words={apiKeyWords}
      query={query}
      toRow={(one) => ({
        ...apiKeyRow(one),
        actions: <EditButton name={one.name} onClick={() => setEdited(one)} />,
      })}
      onAdd={() => setAdding(true)}
      remove={({ id }) => call('api-key.delete', { params: { apiKeyId: id } })}
    >
      {isAdding && <AddApiKey onClose={() => setAdding(false)} />}
      {edited && <EditApiKey apiKey={edited} onClose={() => setEdited(undefined)} />}
    </Section>
  )
}

const gpgQuery = queryOptions({
  queryKey: ['security', 'gpg-keys'],
  queryFn: async () => (await call('gpg-key.list')).gpgKeys,
})

const gpgRow = (one: CallAnswer<'gpg-key.list'>['gpgKeys'][number]): Row => ({
  id: one.id,
  name: one.userIds[0] ?? one.email,
  createdAt: one.createdAt,
  lastUsedAt: one.lastUsedAt,
  expiresAt: one.expiresAt,
  problem: problemOf(one.status),
  details: (
    <Stack gap={4}>
      <span>{one.fingerprint}</span>
      {one.deployments.map(({ connectionId, provider, status, missingScope, reason }) => (
        <Text key={connectionId} size="sm">
          {status === 'published'
            ? gpgWords.deployed(provider)
            : missingScope === null
              ? gpgWords.failed(provider, reason ?? '')
              : gpgWords.missingScope(provider, missingScope)}
        </Text>
      ))}
    </Stack>
  ),
  actions: <CopyIconButton value={one.publicKey} name={gpgWords.publicKey(one.email)} />,
})

function GpgKeys() {
  const query = useQuery(gpgQuery)
  const [isAdding, setAdding] = useState(false)
  const [isImporting, setImporting] = useState(false)
  // Where the last one that was deleted still is.
  const [left, setLeft] = useState<CallAnswer<'gpg-key.delete'>['removals']>([])
  // Here and nowhere else: closing the dialog forgets it.
  const [certificate, setCertificate] = useState<string>()
  return (
    <Section
      words={gpgWords}
      query={query}
      toRow={gpgRow}
      onAdd={() => setAdding(true)}
      remove={async ({ id }) => {
        const { removals } = await call('gpg-key.delete', { params: { gpgKeyId: id } })
        setLeft(removals.filter(({ status }) => status === 'failed'))
      }}
    >
      <Group>
        <Button variant="default" onClick={() => setImporting(true)}>
          {gpgWords.import}
        </Button>
      </Group>
      {left.length > 0 && (
        <Alert color="red" variant="light" role="alert" title={gpgWords.notRemoved}>
          {left.map(({ connectionId, provider, reason }) => (
            <Text key={connectionId} size="sm">
              {gpgWords.leftAt(provider, reason ?? '')}
            </Text>
          ))}
        </Alert>
      )}
      {isImporting && <ImportGpgKey onClose={() => setImporting(false)} onImported={setCertificate} />}
      {isAdding && <GenerateGpgKey onClose={() => setAdding(false)} onCreated={setCertificate} />}
      {certificate !== undefined && (
        <SecretOnce
          title={gpgWords.revocationTitle}
          text={gpgWords.revocationText}
          values={[{ label: gpgWords.revocation, name: gpgWords.revocation, value: certificate }]}
          file={{ name: 'keyhold-gpg-revocation.asc', text: certificate }}
          onClose={() => setCertificate(undefined)}
        />
      )}
    </Section>
  )
}
