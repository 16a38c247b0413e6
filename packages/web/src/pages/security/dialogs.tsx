import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { type CallAnswer, call } from '../../api.ts'
import { sessionQuery } from '../../session.ts'
import { type ExpiryChoice, expiryTime } from '../../ui/expiry.ts'
import { ExpiryField } from '../../ui/expiry-field.tsx'
import { ChoiceField, HiddenField, LongTextField, TextField } from '../../ui/fields.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { useChange } from '../../ui/use-change.ts'
import { apiKeyWords, gpgWords, personalWords, repositoryWords, sshKeyWords, words } from './messages.ts'
import { shownIn } from './section.tsx'

interface Props {
  readonly onClose: () => void
}

/** Runs what a dialog is for, reads the lists anew, and closes it. */
const useAdd = (work: () => Promise<unknown>, onClose: () => void) => useChange(shownIn, work, onClose)

export function ConnectRepository({
  providers,
  onClose,
}: Props & { providers: CallAnswer<'repository-provider.list'>['providers'] }) {
  const [chosenProvider, setProvider] = useState('')
  // Not kept as it is now: the list may be one of before, and read anew.
  const providerId = chosenProvider || (providers[0]?.id ?? '')
  const [chosen, setMethod] = useState<'oauth' | 'ssh'>('oauth')
  const methods = providers.find(({ id }) => id === providerId)?.methods ?? []
  const method = methods.includes(chosen) ? chosen : (methods[0] ?? 'ssh')
  const add = useAdd(async () => {
    const { authorizationUrl } = await call('repository.connect', { body: { providerId, method } })
    if (authorizationUrl !== null) location.assign(authorizationUrl)
  }, onClose)
  return (
    <FormDialog title={repositoryWords.add} submit={repositoryWords.connect} action={add} onClose={onClose}>
      <ChoiceField
        label={repositoryWords.provider}
        value={providerId}
        onValue={setProvider}
        choices={providers.map(({ id, host, kind }) => ({
          value: id,
          label: `${host} (${repositoryWords[kind]})`,
        }))}
      />
      <ChoiceField
        label={repositoryWords.method}
        value={method}
        onValue={setMethod}
        choices={methods.map((one) => ({ value: one, label: repositoryWords[one] }))}
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
      <TextField
        label={words.name}
        value={name}
        onValue={setName}
        field="name"
        action={add}
        required
        data-autofocus
      />
      <ChoiceField
        label={words.type}
        value={type}
        onValue={setType}
        choices={secretTypes.map((one) => ({ value: one, label: personalWords.types[one] }))}
      />
      {isLong ? (
        <LongTextField
          label={words.value}
          value={value}
          onValue={setValue}
          field="value"
          action={add}
          required
        />
      ) : (
        <HiddenField
          label={words.value}
          value={value}
          onValue={setValue}
          field="value"
          action={add}
          required
        />
      )}
      <TextField
        label={personalWords.envName}
        description={personalWords.envHelp}
        value={envName}
        onValue={setEnvName}
        field="envName"
        action={add}
        spellCheck={false}
      />
      <TextField
        label={personalWords.filePath}
        description={personalWords.fileHelp}
        value={filePath}
        onValue={setFilePath}
        field="filePath"
        action={add}
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
      <LongTextField
        label={sshKeyWords.publicKey}
        description={sshKeyWords.publicKeyHelp}
        value={publicKey}
        onValue={setPublicKey}
        field="publicKey"
        action={add}
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
      <TextField
        label={words.name}
        value={name}
        onValue={setName}
        field="name"
        action={add}
        required
        data-autofocus
      />
      <ChoiceField
        label={apiKeyWords.service}
        value={service}
        onValue={setService}
        choices={[
          { value: '', label: apiKeyWords.other },
          ...(presets.data ?? []).map(({ id, name: label }) => ({ value: id, label })),
        ]}
      />
      {service === '' && (
        <TextField
          label={apiKeyWords.baseUrl}
          description={apiKeyWords.baseUrlHelp}
          value={baseUrl}
          onValue={setBaseUrl}
          field="baseUrl"
          action={add}
          required
        />
      )}
      <HiddenField
        label={apiKeyWords.value}
        value={value}
        onValue={setValue}
        field="value"
        action={add}
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
      <TextField
        label={words.name}
        value={name}
        onValue={setName}
        field="name"
        action={add}
        required
        data-autofocus
      />
      <TextField
        label={gpgWords.email}
        description={gpgWords.emailHelp}
        type="email"
        value={email}
        onValue={setEmail}
        field="email"
        action={add}
        required
      />
      <ExpiryField value={expiry} onChange={setExpiry} />
    </FormDialog>
  )
}
