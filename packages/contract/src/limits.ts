/** Every stated limit. The server enforces them; the reference documents them from here. */
export const limits = {
  /** Of a browser session, from sign-in to its end. */
  sessionHours: 12,
  /** Bytes of a request body. A file of 1 MiB in base64, and its envelope, fit. */
  bodyBytes: 1_500_000,
  /** Nesting of JSON objects and arrays in a request. */
  jsonDepth: 16,
  /** Object keys and array elements in a request. */
  jsonItems: 2_000,
  /** Bytes of a value of type token, password or key: it has to fit into a process environment. */
  valueBytes: 24 * 1024,
  /** Bytes of a value of type file. */
  fileValueBytes: 1024 * 1024,
  secretNameBytes: 256,
  /** Characters (code points) of names of people, projects and tokens. */
  nameLength: 100,
  urlLength: 2048,
  descriptionLength: 1_000,
  /** Characters of the note of a secret. */
  noteLength: 4_000,
  environmentsPerProject: 100,
  environmentsPerWorkspace: 20,
  /** Bytes that an SSH identity is asked to sign: a login has some hundred. */
  sshSignBytes: 32 * 1024,
  /** Bytes of a commit or a tag that a GPG key is asked to sign. */
  gpgSignBytes: 1024 * 1024,
  workspacesPerPerson: 200,
  sharesPerWorkspace: 100,
  secretsPerEnvironment: 1_000,
  secretsPerImport: 400,
  /** Bytes of all values of an environment together: with those of All, what one answer delivers. */
  environmentValueBytes: 16 * 1024 * 1024,
  /** References in the value of one secret. */
  referencesPerSecret: 50,
  /** How far references may lead: a secret that refers to one that refers to … */
  referenceDepth: 10,
  /** Secrets and environments that are looked up for the references of one answer. */
  referencesPerAnswer: 5_000,
  /** Bytes of all values with references in one answer, once they have been resolved. */
  resolvedBytes: 16 * 1024 * 1024,
  /** Streams of changes that are open at one server for one access key, workload identity or person; and for all of them. */
  watchesPerCaller: 200,
  watchesPerServer: 10_000,
  activeAccessKeys: 2,
  accessKeysPerProject: 20,
  addressesPerAccessKey: 50,
  workloadIdentitiesPerProject: 50,
  claimsPerWorkloadIdentity: 20,
  claimValueLength: 500,
  /** Characters of a JSON Web Key Set. */
  jwksLength: 50_000,
  /** Characters of the JWT of a machine. */
  identityTokenLength: 16_384,
  /** Characters of a token that is sent in a body. */
  tokenLength: 200,
  accessTokensPerPerson: 200,
  personalSecretsPerPerson: 50,
  /** Bytes of a personal secret's value, of whatever type. */
  personalValueBytes: 24 * 1024,
  /** Bytes of all values of a person's secrets together. */
  personalTotalBytes: 200 * 1024,
  /** Bytes of all values that a person's secrets put into the environment of a process. */
  personalEnvironmentBytes: 24 * 1024,
  workspaceSecretsPerWorkspace: 200,
  /** Bytes of all values of a workspace's secrets together. */
  workspaceTotalBytes: 4 * 1024 * 1024,
  /** Bytes of all values that a workspace's secrets put into the environment of a process. */
  workspaceEnvironmentBytes: 256 * 1024,
  /** Bytes of one variable of a workspace with its name (Linux, MAX_ARG_STRLEN), and of all of them together. */
  variableBytes: 128 * 1024,
  variablesBytes: 1024 * 1024,
  /** Secrets of one delivery that an agent says are not in effect. */
  deliveryProblems: 500,
  /** Versions of a secret of a person or a workspace that are kept: older ones go. */
  versionsKept: 100,
  /** Values of a person's own for secrets of a project. */
  overridesPerProject: 200,
  /** Bytes of all of those together. */
  overrideTotalBytes: 2 * 1024 * 1024,
  filePathBytes: 4096,
  workspacesPerSecret: 100,
  apiKeysPerPerson: 100,
  /** Bytes of an API key: it has to fit into the head of a request. */
  apiKeyValueBytes: 8 * 1024,
  hostsPerApiKey: 20,
  pathsPerApiKey: 50,
  passwordLengthMin: 15,
  /** Of accounts with a second factor (NIST SP 800-63B-4 §3.1.1.2). */
  passwordLengthMinWithFactor: 8,
  passwordLengthMax: 256,
  passkeysPerPerson: 20,
  gpgKeysPerPerson: 10,
  /** Characters of an armored private key: one with RSA of 16,384 bits and some signatures of others. */
  gpgPrivateKeyLength: 200_000,
  gpgPassphraseLength: 1_000,
  sshKeysPerPerson: 50,
  sshDestinationsPerIdentity: 100,
  /** SSH connections that have not proven yet who they are: in all, and from one network (/24, /56). */
  sshLogins: 100,
  sshLoginsPerNetwork: 10,
  sshConnectionsPerPerson: 64,
  sshTunnelsPerConnection: 8,
  sshTunnelsPerWorkspace: 64,
  /** Of one person with whom it is shared; and how many of all are kept for the owner. */
  sshTunnelsPerVisitor: 16,
  sshTunnelsForOwner: 16,
  /** Characters of a line with a public SSH key; also long enough to tell that it is a private one. */
  sshPublicKeyLength: 16_384,
  sshKeyCommentLength: 256,
  openInvitations: 1_000,
  projectsPerInvitation: 20,
  auditPage: 500,
  usesPerReport: 100,
  /** Records of use that one run of a program makes; what is reported beyond is dropped. */
  usesPerRun: 1_000,
  /** The same of one person or access key in an hour, on each server. */
  usesPerHour: 10_000,
  /**
   * Audit records that the credential of one agent makes the server write, on each server: what a delivery of all secrets to
   * the workspace and to twenty visitors takes, twice; and how many more each minute.
   */
  agentRecordsAtOnce: 50_000,
  agentRecordsPerMinute: 5_000,
  /** What a request counts in which an agent says that a token was not accepted: the provider is asked then. */
  agentRejectedTokenRecords: 100,
  /** Characters of a path in a report of use. */
  usePathLength: 512,
  /** The last line and column that a report of use can name. */
  useLine: 10_000_000,
  /** Days that audit records are kept at least (acceptance C27). */
  auditRetentionDaysMin: 365,
  auditRetentionDaysMax: 36_500,
  templates: 500,
  needsPerTemplate: 50,
  /** Characters of a devcontainer.json. */
  devcontainerLength: 100_000,
  stores: 50,
  pathsPerStore: 50,
  storePathLength: 500,
  /** Characters of a token, client secret or the like. */
  storeCredentialLength: 8_192,
  /** Characters of the name of one value in a store. */
  storeKeyLength: 256,
  sourcesPerWorkspace: 20,
  variablesPerSource: 100,
  /** Variables of outside stores that somebody gets who comes in by SSH. */
  storeVariablesPerSession: 1_500,
  identityProviders: 20,
  auditDestinations: 20,
  repositoryProviders: 200,
  /** Connections of a person that wait for the provider or for their confirmation code. */
  pendingRepositoryConnections: 10,
  repositoryUrlLength: 300,
  repositoryCaBytes: 64 * 1024,
} as const
