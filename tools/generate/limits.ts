import { limits } from '@keyhold/contract/limits'
import { page, table } from './markdown.ts'

/** What each limit bounds, and in which unit. A limit without a row here does not compile. */
const meanings: Record<keyof typeof limits, readonly [meaning: string, unit: string]> = {
  bodyBytes: ['Body of a request; the largest file in base64 fits', 'bytes'],
  jsonDepth: ['Nesting of objects and arrays in a request', 'levels'],
  jsonItems: ['Object keys and array elements in a request', ''],
  valueBytes: [
    'Value of type token, password or key, which has to fit into the environment of a process',
    'bytes',
  ],
  fileValueBytes: ['Value of type file', 'bytes'],
  secretNameBytes: ['Name of a secret', 'bytes'],
  nameLength: ['Name of a person, project or access token', 'characters'],
  urlLength: ['Address that is stored, such as the one of a webhook', 'characters'],
  descriptionLength: ['Description of a project, environment or secret', 'characters'],
  noteLength: ['Note of a secret', 'characters'],
  environmentsPerProject: ['Environments of a project, `All` included', ''],
  environmentsPerWorkspace: ['Environments of projects that a workspace gets secrets from', ''],
  workspacesPerPerson: ['Workspaces that a person owns', ''],
  sharesPerWorkspace: ['People with whom a workspace is shared', ''],
  secretsPerImport: ['Secrets in one import', 'secrets'],
  secretsPerEnvironment: ['Secrets of an environment', ''],
  environmentValueBytes: ['All values of an environment together', 'bytes'],
  referencesPerSecret: ['References in the value of a secret', ''],
  referenceDepth: ['How far references lead: a secret that refers to one that refers to …', 'steps'],
  referencesPerAnswer: ['Secrets that are looked up for the references of one answer', ''],
  resolvedBytes: ['All values with references of one answer, once they have been resolved', 'bytes'],
  watchesPerCaller: [
    'Streams of changes open for one access key, workload identity or person, at one server',
    '',
  ],
  watchesPerServer: ['Streams of changes open at one server', ''],
  activeAccessKeys: ['Active access keys of a project: two, so that one can replace the other', ''],
  accessKeysPerProject: ['Access keys of a project, inactive ones included', ''],
  addressesPerAccessKey: ['Addresses and ranges that an access key is bound to', ''],
  workloadIdentitiesPerProject: ['Workload identities of a project', ''],
  claimsPerWorkloadIdentity: ['Claims that a workload identity names', ''],
  claimValueLength: ['Value of such a claim', 'characters'],
  jwksLength: ['JSON Web Key Set of an issuer', 'characters'],
  identityTokenLength: ['Token that a machine has of its platform', 'characters'],
  tokenLength: ['Token that is sent in a body, such as an enrollment token', 'characters'],
  accessTokensPerPerson: ['Access tokens of a person', ''],
  personalSecretsPerPerson: ['Personal secrets of a person, disabled ones included', ''],
  personalValueBytes: ['Value of a personal secret, of whatever type', 'bytes'],
  personalTotalBytes: ['All values of a person’s personal secrets together', 'bytes'],
  personalEnvironmentBytes: [
    'All values that a person’s enabled personal secrets put into environment variables',
    'bytes',
  ],
  filePathBytes: ['Path of the file that a secret is delivered to', 'bytes'],
  apiKeysPerPerson: ['API keys for outside services of a person', ''],
  apiKeyValueBytes: ['Value of an API key, which has to fit into the head of a request', 'bytes'],
  hostsPerApiKey: ['Hosts that an API key may be sent to', ''],
  pathsPerApiKey: ['Paths that an API key may be limited to', ''],
  workspacesPerSecret: ['Workspaces that a secret names; more than these are all of them', ''],
  passwordLengthMin: ['Shortest password', 'characters'],
  passwordLengthMinWithFactor: ['Shortest password of an account with a second factor', 'characters'],
  passwordLengthMax: ['Longest password', 'characters'],
  passkeysPerPerson: ['Passkeys of a person', ''],
  gpgKeysPerPerson: ['GPG keys of a person', ''],
  gpgPrivateKeyLength: ['Armored private GPG key to import', 'characters'],
  gpgPassphraseLength: ['Passphrase of a GPG key to import', 'characters'],
  sshKeysPerPerson: ['SSH keys of a person', ''],
  sshPublicKeyLength: ['Line with a public SSH key', 'characters'],
  sshKeyCommentLength: ['Comment of a public SSH key, which is its title', 'characters'],
  openInvitations: ['Invitations of the instance that were not accepted', ''],
  projectsPerInvitation: ['Projects that an invitation makes somebody a member of', ''],
  auditDestinations: ['Destinations that the audit log is sent to', ''],
  auditPage: ['Records in one page of the audit log', ''],
  usesPerReport: ['Uses of secrets in one report', ''],
  usesPerRun: ['Uses of secrets that are recorded of one run of a program; others are dropped', ''],
  usePathLength: ['Path in a report of use', 'characters'],
  useLine: ['Line and column in a report of use', ''],
  identityProviders: ['Identity providers of the instance', ''],
  repositoryProviders: ['Code repository providers of the instance', ''],
  pendingRepositoryConnections: ['Connections of a person that were begun and not finished', ''],
  repositoryUrlLength: ['Base URL of a self-hosted provider', 'characters'],
  repositoryCaBytes: ['CA certificates of a self-hosted provider, in PEM', 'bytes'],
}

/** Every stated limit with its number. */
export function renderLimits(): string {
  return page(
    '# Limits',
    'The server enforces these. What is over a limit is refused with an error that says so; nothing is cut off silently.',
    table(
      ['What', 'At most', 'Unit'],
      Object.entries(limits).map(([name, most]) => {
        const [meaning, unit] = meanings[name as keyof typeof limits] // `as`: keys of limits.
        return [meaning, most.toLocaleString('en-US'), unit]
      }),
    ).replace('| Shortest password | ', '| Shortest password | at least '),
  )
}
