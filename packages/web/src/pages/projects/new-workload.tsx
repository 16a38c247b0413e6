import { Code, Text } from '@mantine/core'
import type { QueryKey } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api.ts'
import { ChoiceField, LongTextField, TextField } from '../../ui/fields.tsx'
import { FormDialog } from '../../ui/form-dialog.tsx'
import { useChange } from '../../ui/use-change.ts'
import { accessKeyWords, workloadWords as words } from './messages.ts'

const presets = ['github', 'gitlab', 'kubernetes'] as const
const permissions = ['read', 'read_write'] as const

interface Props {
  readonly projectId: string
  readonly stale: readonly QueryKey[]
  readonly onClose: () => void
}

const empty = {
  name: '',
  issuer: '',
  repository: '',
  project: '',
  ref: '',
  environment: '',
  namespace: '',
  account: '',
  jwks: '',
}
type Draft = typeof empty
type Preset = (typeof presets)[number]

/** What a token of the platform has to say: which repository, project or service account it is of. */
function claimsOf(preset: Preset, draft: Draft): Record<string, string> {
  const { repository, project, ref, environment, namespace, account } = draft
  if (preset === 'kubernetes') return { sub: `system:serviceaccount:${namespace}:${account}` }
  return {
    ...(preset === 'github' ? { repository } : { project_path: project }),
    ...(ref !== '' && { ref }),
    ...(environment !== '' && { environment }),
  }
}

/** Lets the jobs of one repository or project, or the pods of one service account, use the project. */
export function NewWorkload({ projectId, stale, onClose }: Props) {
  const [preset, setPreset] = useState<Preset>('github')
  const [permission, setPermission] = useState<(typeof permissions)[number]>('read')
  const [draft, setDraft] = useState(empty)
  const add = useChange(
    stale,
    () => {
      const { name, issuer, jwks } = draft
      const wish = { name, preset, permission, claims: claimsOf(preset, draft) }
      const body = { ...wish, ...(issuer !== '' && { issuer }), ...(jwks !== '' && { jwks }) }
      return call('workload-identity.create', { params: { projectId }, body })
    },
    onClose,
  )
  const line = (key: keyof Draft, field: string = key) => ({
    label: words.fields[key],
    field,
    action: add,
    value: draft[key],
    onValue: (text: string) => setDraft({ ...draft, [key]: text }),
    spellCheck: false,
  })
  return (
    <FormDialog title={words.addTitle} submit={words.addSubmit} action={add} onClose={onClose}>
      <ChoiceField
        label={words.platform}
        value={preset}
        onValue={setPreset}
        choices={presets.map((value) => ({ value, label: words.presets[value] }))}
      />
      <TextField {...line('name')} description={words.nameHelp} required data-autofocus />
      {preset === 'github' && (
        <TextField {...line('repository', 'claims.repository')} description={words.repositoryHelp} required />
      )}
      {preset === 'gitlab' && (
        <TextField {...line('project', 'claims.project_path')} description={words.projectHelp} required />
      )}
      {preset === 'kubernetes' ? (
        <>
          <TextField {...line('namespace', 'claims.sub')} required />
          <TextField {...line('account', 'claims.sub')} required />
        </>
      ) : (
        <>
          <TextField {...line('ref', 'claims.ref')} description={words.refHelps[preset]} />
          <TextField {...line('environment', 'claims.environment')} description={words.environmentHelp} />
        </>
      )}
      <TextField
        {...line('issuer')}
        description={words.issuerHelps[preset]}
        required={preset === 'kubernetes'}
      />
      {preset === 'kubernetes' && <LongTextField {...line('jwks')} description={words.jwksHelp} />}
      <ChoiceField
        label={words.permission}
        description={accessKeyWords.permissionHelps[permission]}
        value={permission}
        onValue={setPermission}
        choices={permissions.map((value) => ({ value, label: accessKeyWords.permissions[value] }))}
      />
      <Text size="sm" c="dimmed">
        {words.afterwards} <Code>KEYHOLD_WORKLOAD_IDENTITY</Code>
      </Text>
    </FormDialog>
  )
}
