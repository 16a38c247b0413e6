/** Words that several pages share. */
export const shared = {
  application: 'Keyhold',
  skip: 'Skip to the content',
  navigation: 'Main navigation',
  openNavigation: 'Open the navigation',
  home: 'Home',
  projects: 'Projects',
  workspaces: 'Workspaces',
  project: 'Project',
  workspace: 'Workspace',
  overview: 'Overview',
  activity: 'Activity',
  secrets: 'Secrets',
  environments: 'Environments',
  accessKeys: 'Access Keys',
  members: 'Members',
  crumbs: 'Where this is',
  security: 'Security',
  settings: 'Settings',
  administration: 'Administration',
  people: 'People',
  providers: 'Providers',
  policies: 'Policies',
  stores: 'Outside Stores',
  templates: 'Templates',
  auditDestinations: 'Audit Destinations',
  instance: 'Instance',
  accessToken: 'Access Token',
  signInMethods: 'Sign-in',
  palette: 'Go to …',
  paletteEmpty: 'Nothing of this name',
  colorScheme: 'Colors',
  light: 'Light',
  dark: 'Dark',
  auto: 'As the system',
  account: 'Account',
  signOut: 'Sign out',
  cancel: 'Cancel',
  save: 'Save',
  close: 'Close',
  delete: 'Delete',
  copy: 'Copy',
  copied: 'Copied',
  tryAgain: 'Try again',
  loading: 'Loading',
  never: 'Never',
  noExpiry: 'No expiry',
  expired: 'Expired',
  password: 'Password',
  newPassword: 'New password',
  passwordAgain: 'The same password again',
  passwordsDiffer: 'The two passwords differ',
  email: 'E-mail address',
  name: 'Name',
  yourName: 'Your name',
  code: 'Code of your authenticator, or a recovery code',
  usePasskey: 'Use a passkey',
  title: (page: string) => `${page} · Keyhold`,
} as const

/** What is said of errors besides the text that came with them. */
export const errorWords = {
  what: 'That did not work',
  explain: 'What this means, and what to do',
  trace: 'Trace id for the server’s log:',
  unreachable: 'Keyhold does not answer. Look whether you are online, and try again.',
  unexpected: 'The application made a mistake. Reload the page; if it stays, tell an administrator.',
  passkeyCancelled: 'The passkey was not used. Try again, or use another way.',
  passkeyNone: 'This browser has no passkeys.',
  reload: 'Reload the page',
} as const

export const notFound = {
  title: 'There is no such page',
  text: 'The address may be mistyped, or what was here is gone.',
  home: 'Go to the start',
} as const

export const stepUpWords = {
  title: 'Confirm that it is you',
  text: 'This needs a sign-in of the last 10 minutes. What you began goes on by itself.',
  confirm: 'Confirm',
  provider: (label: string) => `Confirm at ${label}`,
} as const

export const onceWords = {
  done: 'I have kept it',
  download: 'Download',
  downloaded: 'Downloaded',
} as const

export const expiryWords = {
  label: 'Expiry',
  keep: (current: string) => `As it is: ${current}`,
  none: 'No expiry',
  d30: '30 days',
  d90: '90 days',
  d365: '1 year',
} as const

/** Why a credential needs its person. */
export const stateWords = {
  expired: 'Expired',
  broken: 'Broken',
  soon: 'Expires soon',
  due: 'Rotation due',
  unused: 'Unused for 90 days',
} as const

/** Names of the kinds of credentials, as people say them. */
export const kindNames = {
  'repository-connection': 'Code repository token',
  'personal-secret': 'Personal secret',
  'workspace-secret': 'Workspace secret',
  'ssh-key': 'SSH key',
  'ssh-identity': 'Personal SSH identity',
  'api-key': 'API key',
  'gpg-key': 'GPG key',
  'access-token': 'Access token',
  'access-key': 'Project access key',
  secret: 'Project secret',
} as const

export const revealWords = {
  show: (name: string) => `Show ${name}`,
  hide: (name: string) => `Hide ${name}`,
  value: (name: string) => `value of ${name}`,
} as const

export const secretValueWords = {
  type: 'Type',
  types: { token: 'Token', password: 'Password', key: 'Key', file: 'File' },
  typeHelps: {
    token: 'API tokens and keys of services, such as GITHUB_TOKEN or STRIPE_API_KEY',
    password: 'Passwords, and addresses that have one in them, such as DATABASE_URL',
    key: 'SSH private keys and RSA keys: looked at before it is saved, and made a file as well',
    file: 'Binary data, certificates, or SSH key content pasted here: the variable holds the path of the file',
  },
  value: 'Value',
  choose: 'Choose a file',
  chosen: (name: string, bytes: number) => `${name}, ${bytes} bytes`,
  binary: 'The value is the file that you chose: bytes that are no text.',
  warning: 'A clearer name would help:',
  unmasked:
    'Values shorter than 4 characters and ordinary words such as true or production are not taken out of logs: they would blank ordinary text.',
} as const

/** The way to the first program that has its secret. */
export const firstWords = {
  title: 'The first secret, and the first program that gets it',
  lead: 'A project keeps what one application needs, in environments. Make one with a secret in it; then start a program with it.',
  project: 'Project',
  projectDefault: 'first',
  secret: 'Name of the secret',
  secretDefault: 'GREETING',
  secretHelp: 'The environment variable that programs find it in',
  value: 'Value',
  valueHelp: 'It is encrypted before it is stored. Any text will do for a try',
  make: 'Make project and secret',
  made: (secret: string, project: string) => `${secret} is in the project ${project}.`,
  signInText: 'Sign your machine in; it asks you to confirm here in the browser:',
  signInCommand: (url: string) => `npx keyhold login --url ${url}`,
  signInName: 'command that signs this machine in',
  keyText: 'Make an access key, with which programs read this project and nothing else:',
  keyCommand: (project: string) =>
    `npx keyhold access-key create --project=${project} --permission=read --output="$HOME/first.env"`,
  keyName: 'command that makes an access key',
  runText: 'Start a program. The value is in it, and blank in what it prints:',
  runCommand: (secret: string) =>
    `(set -a; . "$HOME/first.env"; npx keyhold run -- sh -c 'echo "$${secret} has $\{#${secret}} characters"')`,
  runName: 'command that starts a program with its secrets',
} as const
