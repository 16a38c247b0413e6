import { NativeSelect, PasswordInput, Textarea, TextInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { type CallAnswer, call } from '../../api.ts'
import { sessionQuery } from '../../session.ts'
import { fieldError } from '../../ui/error-message.tsx'
import { type ExpiryChoice, expiryTime } from '../../ui/expiry.ts'
import { ExpiryField } from '../../ui/expiry-field.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { useAction } from '../../ui/use-action.ts'
import { apiKeyWords, gpgWords, personalWords, repositoryWords, sshKeyWords, words } from './messages.ts'
import { refresh } from './section.tsx'

interface Props {
  readonly onClose: () => void
}

/** Runs what a dialog is for, reads the lists anew, and closes it. */
function useAdd(work: () => Promise<unknown>, onClose: () => void) {
  const cache = useQueryClient()
  return useAction(async () => {
    await work()
    await refresh(cache)
    onClose()
  })
}

export function ConnectRepository({
  providers,
  onClose,
}: Props & { providers: CallAnswer<'repository-provider.list'>['providers'] }) {
  const [providerId, setProvider] = useState(providers[0]?.id ?? '')
  const [chosen, setMethod] = useState<'oauth' | 'ssh'>('oauth')
  const methods = providers.find(({ id }) => id === providerId)?.methods ?? []
  const method = methods.includes(chosen) ? chosen : (methods[0] ?? 'ssh')
  const add = useAdd(async () => {
    const { authorizationUrl } = await call('repository.connect', { body: { providerId, method } })
    if (authorizationUrl !== null) location.assign(authorizationUrl)
  }, onClose)
  return (
    <FormDialog title={repositoryWords.add} submit={repositoryWords.connect} action={add} onClose={onClose}>
      <NativeSelect
        label={repositoryWords.provider}
        value={providerId}
        onChange={(event) => setProvider(event.currentTarget.value)}
        data={providers.map(({ id, host, kind }) => ({
          value: id,
          label: `${host} (${repositoryWords[kind]})`,
        }))}
      />
      <NativeSelect
        label={repositoryWords.method}
        value={method}
        onChange={(event) => setMethod(event.currentTarget.value as typeof method)} // `as`: there are no others.
        data={methods.map((one) => ({ value: one, label: repositoryWords[one] }))}
      />
    </FormDialog>
  )
}

const secretTypes = ['token', 'password', 'key', 'file'] as const

export function AddPersonalSecret({ onClose }: Props) {
  const [name, setName] = useState('')
  const [type, setType] = useState<(typeof secretTypes)[number]>('token')
  const [value, setValue] = useState('')
  const [envName, setEnvName] = useState('')
  const [filePath, setFilePath] = useState('')
  const [expiry, setExpiry] = useState<ExpiryChoice>('none')
  const add = useAdd(
    () =>
      call('personal-secret.create', {
        body: {
          name,
          type,
          value,
          envName: envName || null,
          filePath: filePath || null,
          expiresAt: expiryTime(expiry),
        },
      }),
    onClose,
  )
  const isLong = type === 'key' || type === 'file'
  return (
    <FormDialog title={personalWords.add} submit={words.add} action={add} onClose={onClose}>
      <TextInput
        label={words.name}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        error={fieldError(add.error, 'name')}
        autoComplete="off"
        required
        data-autofocus
      />
      <NativeSelect
        label={words.type}
        value={type}
        onChange={(event) => setType(event.currentTarget.value as typeof type)} // `as`: there are no others.
        data={secretTypes.map((one) => ({ value: one, label: personalWords.types[one] }))}
      />
      {isLong ? (
        <Textarea
          label={words.value}
          value={value}
          onChange={(event) => setValue(event.currentTarget.value)}
          error={fieldError(add.error, 'value')}
          autosize
          minRows={4}
          maxRows={12}
          spellCheck={false}
          required
        />
      ) : (
        <PasswordInput
          label={words.value}
          value={value}
          onChange={(event) => setValue(event.currentTarget.value)}
          error={fieldError(add.error, 'value')}
          autoComplete="off"
          required
        />
      )}
      <TextInput
        label={personalWords.envName}
        description={personalWords.envHelp}
        value={envName}
        onChange={(event) => setEnvName(event.currentTarget.value)}
        error={fieldError(add.error, 'envName')}
        autoComplete="off"
        spellCheck={false}
      />
      <TextInput
        label={personalWords.filePath}
        description={personalWords.fileHelp}
        value={filePath}
        onChange={(event) => setFilePath(event.currentTarget.value)}
        error={fieldError(add.error, 'filePath')}
        autoComplete="off"
        spellCheck={false}
      />
      <ExpiryField value={expiry} onChange={setExpiry} />
    </FormDialog>
  )
}

export function AddSshKey({ onClose }: Props) {
  const [publicKey, setPublicKey] = useState('')
  const [expiry, setExpiry] = useState<ExpiryChoice>('none')
  const add = useAdd(
    () => call('ssh-key.create', { body: { publicKey, expiresAt: expiryTime(expiry) } }),
    onClose,
  )
  return (
    <FormDialog title={sshKeyWords.add} submit={words.add} action={add} onClose={onClose}>
      <Textarea
        label={sshKeyWords.publicKey}
        description={sshKeyWords.publicKeyHelp}
        value={publicKey}
        onChange={(event) => setPublicKey(event.currentTarget.value)}
        error={fieldError(add.error, 'publicKey')}
        autosize
        minRows={3}
        spellCheck={false}
        required
        data-autofocus
      />
      <ExpiryField value={expiry} onChange={setExpiry} />
    </FormDialog>
  )
}

export function AddApiKey({ onClose }: Props) {
  const presets = useQuery({
    queryKey: ['api-key-presets'],
    queryFn: async () =>
      (await call('api-key.presets')).presets.filter(({ placement }) => placement !== null),
  })
  const [name, setName] = useState('')
  const [service, setService] = useState('')
  const [baseUrl, setBaseUrl] = useState('')
  const [value, setValue] = useState('')
  const [expiry, setExpiry] = useState<ExpiryChoice>('none')
  const add = useAdd(() => {
    const place = service === '' ? { baseUrl, placement: { kind: 'bearer' as const } } : { service }
    return call('api-key.create', { body: { name, value, ...place, expiresAt: expiryTime(expiry) } })
  }, onClose)
  return (
    <FormDialog title={apiKeyWords.add} submit={words.add} action={add} onClose={onClose}>
      <TextInput
        label={words.name}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        error={fieldError(add.error, 'name')}
        autoComplete="off"
        required
        data-autofocus
      />
      <NativeSelect
        label={apiKeyWords.service}
        value={service}
        onChange={(event) => setService(event.currentTarget.value)}
        data={[
          { value: '', label: apiKeyWords.other },
          ...(presets.data ?? []).map(({ id, name: label }) => ({ value: id, label })),
        ]}
      />
      {service === '' && (
        <TextInput
          label={apiKeyWords.baseUrl}
          description={apiKeyWords.baseUrlHelp}
          value={baseUrl}
          onChange={(event) => setBaseUrl(event.currentTarget.value)}
          error={fieldError(add.error, 'baseUrl')}
          autoComplete="off"
          required
        />
      )}
      <PasswordInput
        label={apiKeyWords.value}
        value={value}
        onChange={(event) => setValue(event.currentTarget.value)}
        error={fieldError(add.error, 'value')}
        autoComplete="off"
        required
      />
      <ExpiryField value={expiry} onChange={setExpiry} />
    </FormDialog>
  )
}

/** @param onCreated is given the revocation certificate, once. */
export function GenerateGpgKey({ onClose, onCreated }: Props & { onCreated: (certificate: string) => void }) {
  const { data: session } = useQuery(sessionQuery)
  const [name, setName] = useState(session?.account.name ?? '')
  const [email, setEmail] = useState(session?.account.email ?? '')
  const [expiry, setExpiry] = useState<ExpiryChoice>('none')
  const add = useAdd(async () => {
    const { revocationCertificate } = await call('gpg-key.create', {
      body: { name, email, expiresAt: expiryTime(expiry) },
    })
    if (revocationCertificate !== null) onCreated(revocationCertificate)
  }, onClose)
  return (
    <FormDialog title={gpgWords.add} submit={gpgWords.add} action={add} onClose={onClose}>
      <TextInput
        label={words.name}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        error={fieldError(add.error, 'name')}
        required
        data-autofocus
      />
      <TextInput
        label={gpgWords.email}
        description={gpgWords.emailHelp}
        type="email"
        value={email}
        onChange={(event) => setEmail(event.currentTarget.value)}
        error={fieldError(add.error, 'email')}
        required
      />
      <ExpiryField value={expiry} onChange={setExpiry} />
    </FormDialog>
  )
}
