import { ActionIcon, Checkbox, Group, Text } from '@mantine/core'
import { PencilIcon } from '@primer/octicons-react'
import { useState } from 'react'
import { type CallAnswer, call } from '../../api.ts'
import { changedExpiry, type ExpiryChange, ExpiryChangeField } from '../../ui/expiry-change-field.tsx'
import { HiddenField, LongTextField, TextField } from '../../ui/fields.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { shared } from '../../ui/messages.ts'
import { useChange } from '../../ui/use-change.ts'
import { apiKeyWords, gpgWords, personalWords, words } from './messages.ts'

/** What one change may show in. */
const STALE = [['security'], ['credentials']]

type PersonalSecret = CallAnswer<'personal-secret.list'>['personalSecrets'][number]
type ApiKey = CallAnswer<'api-key.list'>['apiKeys'][number]

/** Opens the dialog in which one of a list is changed. */
export function EditButton({ name, onClick }: { name: string; onClick: () => void }) {
  return (
    <ActionIcon variant="subtle" color="gray" size="lg" aria-label={words.edit(name)} onClick={onClick}>
      <PencilIcon />
    </ActionIcon>
  )
}

export function EditPersonalSecret({ secret, onClose }: { secret: PersonalSecret; onClose: () => void }) {
  const [value, setValue] = useState('')
  const [envName, setEnvName] = useState(secret.envName ?? '')
  const [filePath, setFilePath] = useState(secret.filePath ?? '')
  const [expiry, setExpiry] = useState<ExpiryChange>('keep')
  const isLong = secret.type === 'key' || secret.type === 'file'
  const ValueField = isLong ? LongTextField : HiddenField
  const action = useChange(
    STALE,
    () =>
      call('personal-secret.update', {
        params: { personalSecretId: secret.id },
        body: {
          envName: envName || null,
          filePath: filePath || null,
          ...changedExpiry(expiry),
          ...(value !== '' && { value }),
          expectedVersion: secret.version,
        },
      }),
    onClose,
  )
  return (
    <FormDialog title={personalWords.edit} submit={shared.save} action={action} onClose={onClose}>
      <Text fw={600} className="breaks">
        {secret.name}
      </Text>
      <ValueField
        label={words.value}
        description={words.valueKeep}
        value={value}
        onValue={setValue}
        field="value"
        action={action}
      />
      <TextField
        label={personalWords.envName}
        value={envName}
        onValue={setEnvName}
        field="envName"
        action={action}
        spellCheck={false}
      />
      <TextField
        label={personalWords.filePath}
        value={filePath}
        onValue={setFilePath}
        field="filePath"
        action={action}
        spellCheck={false}
      />
      <ExpiryChangeField current={secret.expiresAt} value={expiry} onValue={setExpiry} />
    </FormDialog>
  )
}

export function EditApiKey({ apiKey, onClose }: { apiKey: ApiKey; onClose: () => void }) {
  const [name, setName] = useState(apiKey.name)
  const [value, setValue] = useState('')
  const [baseUrl, setBaseUrl] = useState(apiKey.baseUrl)
  const [hosts, setHosts] = useState(apiKey.allowedHosts.join('\n'))
  const [paths, setPaths] = useState(apiKey.allowedPaths?.join('\n') ?? '')
  const [methods, setMethods] = useState<readonly string[]>(apiKey.allowedMethods ?? [])
  const [expiry, setExpiry] = useState<ExpiryChange>('keep')
  const action = useChange(
    STALE,
    () =>
      call('api-key.update', {
        params: { apiKeyId: apiKey.id },
        body: {
          name,
          baseUrl,
          allowedHosts: linesOf(hosts),
          allowedPaths: orAll(linesOf(paths)),
          allowedMethods: orAll(apiKeyMethods.filter((method) => methods.includes(method))),
          ...changedExpiry(expiry),
          ...(value !== '' && { value }),
        },
      }),
    onClose,
  )
  return (
    <FormDialog title={apiKeyWords.edit} submit={shared.save} action={action} onClose={onClose}>
      <TextField
        label={words.name}
        value={name}
        onValue={setName}
        field="name"
        action={action}
        required
        data-autofocus
      />
      <HiddenField
        label={apiKeyWords.value}
        description={words.valueKeep}
        value={value}
        onValue={setValue}
        field="value"
        action={action}
      />
      <TextField
        label={apiKeyWords.baseUrl}
        value={baseUrl}
        onValue={setBaseUrl}
        field="baseUrl"
        action={action}
        spellCheck={false}
        required
      />
      <LongTextField
        label={apiKeyWords.hosts}
        description={apiKeyWords.hostsHelp}
        value={hosts}
        onValue={setHosts}
        field="allowedHosts"
        action={action}
        minRows={2}
        required
      />
      <LongTextField
        label={apiKeyWords.paths}
        description={apiKeyWords.pathsHelp}
        value={paths}
        onValue={setPaths}
        field="allowedPaths"
        action={action}
        minRows={2}
      />
      <Checkbox.Group
        label={apiKeyWords.methods}
        description={apiKeyWords.methodsHelp}
        value={[...methods]}
        onChange={setMethods}
      >
        <Group mt="xs">
          {apiKeyMethods.map((method) => (
            <Checkbox key={method} value={method} label={method} />
          ))}
        </Group>
      </Checkbox.Group>
      <ExpiryChangeField current={apiKey.expiresAt} value={expiry} onValue={setExpiry} />
    </FormDialog>
  )
}

const apiKeyMethods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

/** Each line that is not empty, without the space around it. */
const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')

/** None chosen: all of them. */
const orAll = <One,>(list: readonly One[]): One[] | null => (list.length === 0 ? null : [...list])

/** Takes over a key that somebody signs with already. @param onImported is given the revocation certificate, once. */
export function ImportGpgKey({
  onClose,
  onImported,
}: {
  onClose: () => void
  onImported: (certificate: string) => void
}) {
  const [privateKey, setPrivateKey] = useState('')
  const [passphrase, setPassphrase] = useState('')
  const action = useChange(
    STALE,
    async () => {
      const { revocationCertificate } = await call('gpg-key.import', {
        body: { privateKey, ...(passphrase !== '' && { passphrase }) },
      })
      if (revocationCertificate !== null) onImported(revocationCertificate)
    },
    onClose,
  )
  return (
    <FormDialog title={gpgWords.import} submit={gpgWords.import} action={action} onClose={onClose}>
      <Text size="sm">{gpgWords.importText}</Text>
      <LongTextField
        label={gpgWords.privateKey}
        value={privateKey}
        onValue={setPrivateKey}
        field="privateKey"
        action={action}
        required
        data-autofocus
      />
      <HiddenField
        label={gpgWords.passphrase}
        description={gpgWords.passphraseHelp}
        value={passphrase}
        onValue={setPassphrase}
        field="passphrase"
        action={action}
      />
    </FormDialog>
  )
}
