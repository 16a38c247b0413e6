export const words = {
  title: 'Security',
  lead: 'The keys, secrets and tokens that are linked to your profile: what each is for, when it was used, when it ends.',
  name: 'Name',
  details: 'Details',
  usedIn: 'Used in',
  kind: 'Kind',
  access: 'Access',
  state: 'State',
  created: 'Created',
  lastUsed: 'Last Used',
  expires: 'Expires',
  actions: 'Action',
  add: 'Add',
  remove: (name: string) => `Delete ${name}`,
  edit: (name: string) => `Edit ${name}`,
  valueKeep: 'Leave it empty to keep the one that is stored',
  removeTitle: (what: string) => `Delete ${what}`,
  value: 'Value',
  type: 'Type',
  expiryTitle: 'Expiry',
  expiryLead: 'Everything that is kept for you, what ends soonest first.',
  expiryLink: 'Expiry of everything',
  expiryEmpty: 'Nothing is kept for you yet',
} as const

export const repositoryWords = {
  title: 'Code Repository Tokens',
  lead: 'Connections to GitHub, GitLab and Bitbucket, by OAuth or by your SSH identity. Workspaces do not use them yet.',
  empty: 'You are connected to no code repository.',
  noProviders: 'An administrator has to register a provider first: keyhold repository-provider add',
  add: 'Connect a repository',
  provider: 'Provider',
  method: 'Authenticate by',
  oauth: 'OAuth',
  ssh: 'Personal SSH Keys',
  default: 'Default',
  internal: 'Internal',
  connect: 'Connect',
  what: 'connection',
  gone: (name: string) =>
    `Disconnect ${name}? Its token is deleted here and revoked at the provider, where that can be done.`,
} as const

export const personalWords = {
  title: 'Personal Secrets',
  lead: 'Values of your own, for programs that keyhold run starts in your workspaces: environment variables, and files while a program runs.',
  empty: 'You have no personal secrets. Add one, and keyhold run gives it to programs in your workspaces.',
  add: 'Add personal secret',
  edit: 'Edit personal secret',
  envName: 'Environment variable',
  envHelp: 'Such as GITHUB_TOKEN. For type file it holds the path',
  filePath: 'File path',
  fileHelp: 'Such as ~/.config/tool/token. Leave it empty for none',
  types: { token: 'Token', password: 'Password', key: 'Key', file: 'File' },
  what: 'personal secret',
  gone: (name: string) =>
    `Delete the personal secret “${name}” with all its versions? Programs that start from now on are without it.`,
} as const

export const sshKeyWords = {
  title: 'Remote Access Over SSH',
  lead: 'Public keys that may enter your workspaces, from a terminal or a local editor such as VS Code.',
  empty: 'No key may enter your workspaces. Add the public key of your machine.',
  add: 'Add SSH key',
  guide: 'View SSH Into Your Workspace',
  publicKey: 'Public key',
  publicKeyHelp: 'The one line of the file that ends in .pub, such as ~/.ssh/id_ed25519.pub',
  what: 'SSH key',
  gone: (name: string) => `Delete the SSH key “${name}”? The next connection with it is refused.`,
} as const

export const identityWords = {
  title: 'Personal SSH Identity',
  lead: 'A key pair by which you are known outside. Its private half signs on the server and never leaves it.',
  empty: 'You have no SSH identity. Generate one, and register its public key where you want to be known.',
  add: 'Generate SSH identity',
  replace: 'Replace',
  replaceTitle: 'Replace SSH identity',
  replaceText: 'Every host that knows the old key refuses you until it has the new one.',
  name: 'SSH identity',
  publicKey: 'public key of your SSH identity',
  what: 'SSH identity',
  gone: () => 'Delete your SSH identity? Nothing signs with it any more, and it cannot be brought back.',
} as const

export const apiKeyWords = {
  title: 'API Keys',
  lead: 'Keys of outside services, each for the hosts of its service. A value is never shown again. Workspaces do not use them yet.',
  empty: 'You have no API keys.',
  add: 'Add API key',
  edit: 'Edit API key',
  service: 'Service',
  other: 'Another service',
  baseUrl: 'Address of the service',
  baseUrlHelp: 'Such as https://api.example.com; the key is for this host only',
  hosts: 'Hosts that it may be sent to',
  hostsHelp: 'One on each line, exactly. A host that was not among them needs the key anew',
  paths: 'Paths that it may be sent to',
  pathsHelp: 'One on each line, each with all that is below it, such as /v1/models. Leave it empty for all',
  methods: 'Methods',
  methodsHelp: 'Choose none for all',
  value: 'Key',
  what: 'API key',
  gone: (name: string) => `Delete the API key “${name}”? It cannot be brought back.`,
} as const

export const gpgWords = {
  title: 'GPG Keys',
  lead: 'Keys for signed commits. Their public halves are deployed to the code repositories that you are connected to; git in your workspaces signs with them, and they do not leave the server.',
  empty: 'You have no GPG key.',
  add: 'Generate GPG key',
  import: 'Import GPG key',
  importText: 'A key that you sign with already. It is kept here, and does not leave the server any more.',
  privateKey: 'Private key',
  passphrase: 'Passphrase',
  passphraseHelp: 'Of the key, where it has one. It is not kept',
  notRemoved: 'The key is gone here, but not everywhere',
  leftAt: (provider: string, reason: string) =>
    `${provider}: could not be removed, ${reason}. Delete it there.`,
  email: 'E-mail address',
  emailHelp: 'One that is verified at your code host, or commits are shown as unverified',
  publicKey: (name: string) => `public key of ${name}`,
  revocationTitle: 'Your new GPG key',
  revocationText:
    'Keep this revocation certificate apart from here: published, it tells everybody to trust the key no longer. It will not be shown again.',
  revocation: 'Revocation certificate',
  missingScope: (provider: string, scope: string) =>
    `${provider}: not deployed, the connection lacks ${scope}. Copy the key there.`,
  failed: (provider: string, reason: string) => `${provider}: not deployed, ${reason}`,
  deployed: (provider: string) => `${provider}: deployed`,
  what: 'GPG key',
  gone: (name: string) => `Delete the GPG key of ${name}? It is taken away at the code hosts as well.`,
} as const

export const guideWords = {
  title: 'SSH Into Your Workspace',
  lead: 'With a stock ssh, scp, rsync or a local editor such as VS Code. Three steps, once for each of your machines.',
  steps: [
    {
      title: '1. Register the key of this machine',
      text: 'Its public half; add it in Remote Access Over SSH, or by this command. Without a key yet: ssh-keygen -t ed25519',
      command: (url: string) =>
        `npx keyhold login --url ${url}\nnpx keyhold ssh-key add ~/.ssh/id_ed25519.pub`,
      name: 'commands that register an SSH key',
    },
    {
      title: '2. Have this machine know the gateway and your workspaces',
      text: 'Writes blocks into ~/.ssh/config and known_hosts, so that no host key has to be believed unseen.',
      command: () => 'npx keyhold ssh setup',
      name: 'command that sets up SSH',
    },
    {
      title: '3. Enter',
      text: 'The id of a workspace is on its page, with the whole command below Connect via SSH. Editors take the same name as a host.',
      command: (url: string) => `ssh -J ${new URL(url).hostname} user@ws-…`,
      name: 'command that enters a workspace',
    },
  ],
  wrong: 'If it does not work',
  wrongLead: 'ssh says what the gateway answered, on a line of its own.',
  reasons: [
    'Permission denied: the key that ssh offers is not registered, or was removed. See which it offers with ssh -v.',
    'The workspace is stopped: no agent is connected. Start it where the workspace is.',
    'No such workspace: the id is mistyped, or it is not shared with you.',
    'Passwords are never asked for: whoever has only a password does not enter.',
  ],
  back: 'Back to Security',
} as const
