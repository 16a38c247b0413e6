import type { QueryKey } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api.ts'
import { ChoiceField, HiddenField, LongTextField, TextField } from '../../ui/fields.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { useChange } from '../../ui/use-change.ts'
import { storeWords as words } from './messages.ts'
import { linesOf, PathsField } from './store-paths.tsx'

const kinds = ['vault', 'aws', 'azure'] as const
const auths = ['token', 'approle'] as const
const versions = ['2', '1'] as const

const empty = {
  name: '',
  address: '',
  credential: '',
  paths: '',
  ca: '',
  roleId: '',
  authMount: '',
  mount: '',
  namespace: '',
  region: '',
  accessKeyId: '',
  tenantId: '',
  clientId: '',
  authority: '',
}
type Draft = typeof empty

/** Only what was typed: what is left out the server decides. */
const given = <Key extends string>(values: Readonly<Record<Key, string>>): Partial<Record<Key, string>> =>
  // `as`: the keys are those of `values`.
  Object.fromEntries(Object.entries(values).filter(([, text]) => text !== '')) as Partial<Record<Key, string>>

/** Registers an outside store: what every kind needs, and what its kind does. */
export function NewStore({ stale, onClose }: { stale: readonly QueryKey[]; onClose: () => void }) {
  const [kind, setKind] = useState<(typeof kinds)[number]>('vault')
  const [auth, setAuth] = useState<(typeof auths)[number]>('token')
  const [version, setVersion] = useState<(typeof versions)[number]>('2')
  const [draft, setDraft] = useState(empty)
  const settings = () => {
    const { roleId, authMount, mount, namespace, region, accessKeyId, tenantId, clientId, authority } = draft
    if (kind === 'aws') return { aws: { region, accessKeyId } }
    if (kind === 'azure') return { azure: { tenantId, clientId, ...given({ authority }) } }
    const approle = auth === 'approle' ? given({ roleId, authMount }) : {}
    return { vault: { auth, ...approle, ...given({ mount, namespace }), kvVersion: Number(version) } }
  }
  const add = useChange(
    stale,
    () => {
      const { name, credential, address, ca } = draft
      const paths = linesOf(draft.paths)
      const body = { name, kind, credential, paths, ...given({ address, ca }), ...settings() }
      return call('store.create', { body })
    },
    onClose,
  )
  /** A line of the form, under the name that the server has for it. */
  const line = (key: keyof Draft, field: string = key) => ({
    field,
    action: add,
    value: draft[key],
    onValue: (text: string) => setDraft({ ...draft, [key]: text }),
    spellCheck: false,
  })
  return (
    <FormDialog title={words.add} submit={words.add} action={add} onClose={onClose}>
      <ChoiceField
        label={words.kind}
        value={kind}
        onValue={setKind}
        choices={kinds.map((value) => ({ value, label: words.kinds[value] }))}
      />
      <TextField label={words.name} description={words.nameHelp} {...line('name')} required data-autofocus />
      <TextField
        label={words.address}
        description={words.addressHelp[kind]}
        {...line('address')}
        required={kind !== 'aws'}
      />
      {kind === 'vault' && (
        <>
          <ChoiceField
            label={words.auth}
            value={auth}
            onValue={setAuth}
            choices={auths.map((value) => ({ value, label: words.auths[value] }))}
          />
          {auth === 'approle' && (
            <>
              <TextField label={words.roleId} {...line('roleId', 'vault.roleId')} required />
              <TextField
                label={words.authMount}
                description={words.authMountHelp}
                {...line('authMount', 'vault.authMount')}
              />
            </>
          )}
        </>
      )}
      {kind === 'aws' && (
        <>
          <TextField
            label={words.region}
            description={words.regionHelp}
            {...line('region', 'aws.region')}
            required
          />
          <TextField label={words.accessKeyId} {...line('accessKeyId', 'aws.accessKeyId')} required />
        </>
      )}
      {kind === 'azure' && (
        <>
          <TextField label={words.tenantId} {...line('tenantId', 'azure.tenantId')} required />
          <TextField label={words.clientId} {...line('clientId', 'azure.clientId')} required />
        </>
      )}
      <HiddenField
        label={kind === 'vault' && auth === 'approle' ? words.secretId : words.credentials[kind]}
        {...line('credential')}
        required
      />
      <PathsField {...line('paths')} />
      {kind === 'vault' && (
        <>
          <TextField label={words.mount} description={words.mountHelp} {...line('mount', 'vault.mount')} />
          <ChoiceField
            label={words.kvVersion}
            value={version}
            onValue={setVersion}
            choices={versions.map((value) => ({ value, label: value }))}
          />
          <TextField
            label={words.namespace}
            description={words.namespaceHelp}
            {...line('namespace', 'vault.namespace')}
          />
        </>
      )}
      {kind === 'azure' && (
        <TextField
          label={words.authority}
          description={words.authorityHelp}
          {...line('authority', 'azure.authority')}
        />
      )}
      <LongTextField label={words.ca} description={words.caHelp} {...line('ca')} />
    </FormDialog>
  )
}
