import { type StoreKind, storeKinds } from '@keyhold/contract/api/stores'
import { connected } from '../../client.ts'
import { defineCommand, jsonOption } from '../../command.ts'
import { usageFailure } from '../../failure.ts'
import { caOption, readCa } from '../repository-provider/provider-options.ts'
import { pathOption, readStoreCredential } from './store-options.ts'

const text = (placeholder: string, summary: string) => ({ type: 'string', placeholder, summary }) as const

export const command = defineCommand({
  usage: 'NAME KIND --path=PATH… [--address=URL] [--ca=FILE] [settings of the kind]',
  description:
    'What Keyhold signs in with is read from standard input or a prompt: a token or secret id of Vault, the secret access key of\n' +
    'AWS, the client secret of Azure. Give it the right to read what workspaces need, and nothing else. The address cannot be\n' +
    'changed later.',
  arguments: [
    { name: 'NAME', summary: 'what people call the store' },
    { name: 'KIND', summary: 'vault (also OpenBao), aws or azure', choices: storeKinds },
  ],
  options: {
    path: pathOption,
    address: text('URL', 'of Vault or of the key vault; AWS needs none'),
    ca: caOption,
    'role-id': text('ID', 'vault: sign in by AppRole; without it the credential is a token'),
    'auth-mount': text('PATH', 'vault: where AppRole is mounted; default approle'),
    mount: text('PATH', 'vault: where the key-value engine is mounted; default secret'),
    'kv-version': {
      ...text('1|2', 'vault: version of the key-value engine; default 2'),
      choices: ['1', '2'],
    },
    namespace: text('NAME', 'vault: namespace'),
    region: text('REGION', 'aws: such as eu-central-1'),
    'access-key-id': text('ID', 'aws: belongs to the secret access key'),
    'tenant-id': text('ID', 'azure: directory (tenant) id'),
    'client-id': text('ID', 'azure: application (client) id'),
    authority: text('URL', 'azure: where tokens are asked for; default https://login.microsoftonline.com'),
    json: jsonOption,
  },
  examples: [
    {
      does: 'let workspaces take what Vault has for their owner',
      command:
        "keyhold store add corp vault --address=https://vault.example.com --path='people/{owner}/*' < token.txt",
    },
    {
      does: 'AWS Secrets Manager',
      command:
        "keyhold store add aws aws --region=eu-central-1 --access-key-id=AKIA… --path='dev/*' < secret-access-key.txt",
    },
    {
      does: 'Azure Key Vault',
      command:
        "keyhold store add azure azure --address=https://corp.vault.azure.net --tenant-id=ID --client-id=ID --path='dev-*'",
    },
  ],
  run: ({ options, args, env, terminal }) =>
    connected(env, 'person', async (keyhold) => {
      const [name = '', kind] = args as [string, StoreKind] // `as`: one of the choices.
      if (options.path.length === 0)
        throw usageFailure('--path is missing', "say what workspaces may take: --path='people/{owner}/*'")
      const { address, ca } = options
      const settings = settingsOf(kind, options)
      const credential = await readStoreCredential(terminal, credentialNames[kind](options['role-id']))
      const store = await keyhold.call('store.create', {
        body: {
          name,
          kind,
          credential,
          paths: [...new Set(options.path)],
          ...(address !== undefined && { address }),
          ...(ca !== undefined && { ca: readCa(ca) }),
          ...settings,
        },
      })
      if (options.json) terminal.printJson(store)
      else terminal.print(store.id)
      terminal.note(`outside store ${name} registered`)
      terminal.hint(`see whether Keyhold can sign in to it: keyhold store check ${name}`)
    }),
})

const credentialNames = {
  vault: (roleId?: string) => (roleId === undefined ? 'token' : 'secret id'),
  aws: () => 'secret access key',
  azure: () => 'client secret',
} as const satisfies Record<StoreKind, (roleId?: string) => string>

type Options = Readonly<Partial<Record<keyof typeof belongsTo, string | undefined>>>

const belongsTo = {
  'role-id': 'vault',
  'auth-mount': 'vault',
  mount: 'vault',
  'kv-version': 'vault',
  namespace: 'vault',
  region: 'aws',
  'access-key-id': 'aws',
  'tenant-id': 'azure',
  'client-id': 'azure',
  authority: 'azure',
} as const

function settingsOf(kind: StoreKind, options: Options) {
  for (const [name, of] of Object.entries(belongsTo) as [keyof Options, StoreKind][]) // `as`: the keys of a literal.
    if (of !== kind && options[name] !== undefined)
      throw usageFailure(`--${name} belongs to a store of kind ${of}`, `leave it out for ${kind}`)
  const needed = (name: keyof Options): string => {
    const value = options[name]
    if (value === undefined) throw usageFailure(`--${name} is missing`, `a store of kind ${kind} needs it`)
    return value
  }
  if (kind === 'aws') return { aws: { region: needed('region'), accessKeyId: needed('access-key-id') } }
  if (kind === 'azure') {
    const { authority } = options
    const ids = { tenantId: needed('tenant-id'), clientId: needed('client-id') }
    return { azure: { ...ids, ...(authority !== undefined && { authority }) } }
  }
  const { 'role-id': roleId, 'auth-mount': authMount, mount, 'kv-version': version, namespace } = options
  return {
    vault: {
      auth: roleId === undefined ? ('token' as const) : ('approle' as const),
      ...(roleId !== undefined && { roleId }),
      ...(authMount !== undefined && { authMount }),
      ...(mount !== undefined && { mount }),
      ...(version !== undefined && { kvVersion: Number(version) }),
      ...(namespace !== undefined && { namespace }),
    },
  }
}
