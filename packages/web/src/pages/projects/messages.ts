// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are written so
export const roleNames = { admin: 'Admin', regular: 'Regular', read_only: 'Read Only' } as const

export const words = {
  title: 'Projects',
  lead: 'Secrets of what you build, by environment: for the programs, machines and people that work on it.',
  new: 'New Project',
  newTitle: 'New project',
  create: 'Create',
  empty: 'You have no projects yet',
  emptyText:
    'A project keeps the secrets of one thing that you build. Make one, add its secrets, and start programs with them: keyhold run -- npm start. Somebody else’s project is here once they have added you.',
  name: 'Name',
  nameHelp: 'Such as the name of its repository',
  description: 'Description',
  role: 'Your role',
  created: 'Created',
  actions: 'Action',
  readOnly: 'You are Read Only in this project: you see what is here, and an Admin of it changes it.',
  adminOnly: 'An Admin of this project changes this; you see it.',
} as const

export const settingsWords = {
  title: 'Settings',
  lead: 'The name and the description of the project.',
  delete: 'Delete Project',
  deleteTitle: 'Delete project',
  deleteHeading: 'Delete this project',
  deleteLead:
    'Its environments, secrets with all their versions, and access keys go with it. They cannot be brought back.',
  deleteText: (name: string) =>
    `Delete the project “${name}” with its environments, secrets and access keys? Whatever uses it gets 401 with its next request.`,
  typed: 'Type the name of the project',
  saved: 'Saved',
} as const

export const environmentWords = {
  title: 'Environments',
  lead: 'Each environment has values of its own. What it has none of it takes from All.',
  new: 'New Environment',
  newTitle: 'New environment',
  editTitle: 'Edit environment',
  name: 'Name',
  nameHelp: 'Letters, digits, _ and -, such as staging',
  description: 'Description',
  url: 'Address',
  urlHelp: 'Where what runs with it is found, such as https://staging.example.com',
  isDefault: 'The others fall back to it',
  edit: (name: string) => `Edit ${name}`,
  delete: (name: string) => `Delete ${name}`,
  deleteTitle: 'Delete environment',
  deleteText: (name: string) =>
    `Delete the environment “${name}” with its secrets? Programs that ask for it get nothing from then on.`,
  typed: 'Type the name of the environment',
} as const

export const memberWords = {
  title: 'Members',
  lead: 'Admin: everything, and the members. Regular: secrets, environments and access keys. Read Only: sees them, and may show a value.',
  new: 'Add Member',
  newTitle: 'Add member',
  add: 'Add',
  email: 'E-mail address',
  emailHelp: 'Of somebody who has an account here',
  person: 'Person',
  role: 'Role',
  roleOf: (name: string) => `Role of ${name}`,
  since: 'Since',
  you: 'you',
  remove: (name: string) => `Remove ${name}`,
  removeTitle: 'Remove member',
  removeText: (name: string) =>
    `Remove ${name} from the project? They see nothing of it with their next request. What they have copied stays with them: rotate what they should no longer know.`,
  removeAction: 'Remove',
} as const

export const accessKeyWords = {
  title: 'Access Keys',
  lead: 'An access key lets a machine use the secrets of this project, with no login. At most two are active at a time: enough to take a new one into use before the old one goes.',
  new: 'New Access Key',
  newTitle: 'New access key',
  create: 'Create',
  id: 'Access Key ID',
  key: 'Access Key',
  permission: 'Permission',
  permissionHelp: 'Neither may delete.',
  permissions: { read: 'Read', read_write: 'Read & Write' },
  permissionHelps: {
    read: 'Retrieve all secrets of the project',
    read_write: 'Retrieve all secrets of the project, create and update them',
  },
  ip: 'IP Restriction',
  ipHelp:
    'Secrets and environments of the project can be reached with this key only from these addresses: IPv4, IPv6 or ranges such as 10.0.0.0/8, one on each line. Leave it empty for no restriction.',
  ipScope: 'It restricts this key alone: members and other keys are not affected.',
  anywhere: 'None',
  status: 'Status',
  statuses: { active: 'Active', inactive: 'Inactive', expired: 'Expired' },
  created: 'Created',
  createdBy: (name: string) => `by ${name}`,
  lastUsed: 'Last Used',
  expires: 'Expires',
  actions: 'Action',
  menu: (id: string) => `Actions of ${id}`,
  edit: 'Edit',
  editTitle: 'Edit access key',
  deactivate: 'Deactivate',
  deactivateTitle: 'Deactivate access key',
  deactivateText: (id: string) =>
    `Deactivate the access key ${id}? It stops working at once. Activate lets the same key work again.`,
  activate: 'Activate',
  activateTitle: 'Activate access key',
  activateText: (id: string) => `Activate the access key ${id}? The same key works again at once.`,
  regenerate: 'Regenerate',
  regenerateTitle: 'Regenerate access key',
  regenerateText: (id: string) =>
    `Regenerate the access key ${id}? The ID will remain; the old key stops working at once, and the new one has to be put wherever it is used.`,
  delete: 'Delete',
  deleteTitle: 'Delete access key',
  deleteText: (id: string) =>
    `Delete the access key ${id}? It stops working at once and cannot be brought back.`,
  deleteNote: 'Data retrieved with it will remain on the local device.',
  typed: 'Type the access key ID',
  onceTitle: 'Your access key',
  once: 'The access key ID and the access key are displayed once only. You are recommended to copy or download them now.',
  onceRun: 'Where the downloaded file is, this starts a program with the secrets. Put your own in its place:',
  runCommand: (file: string) => `(set -a; . ./${file}; npx keyhold run -- node app.js)`,
  runName: 'command that starts a program with its secrets',
  empty: 'This project has no access keys',
  emptyText:
    'Make one for a server, a container or a CI job. It goes where keyhold run looks for it: KEYHOLD_ACCESS_KEY_ID and KEYHOLD_ACCESS_KEY.',
} as const

export const secretWords = {
  lead: 'Names down, environments across. What an environment has no value of its own for it takes from All.',
  add: 'Add Secret',
  import: 'Import',
  search: 'Find a name',
  onlyMissing: 'Only names that miss a value',
  grid: 'Secrets by environment',
  name: 'Name',
  set: (version: number) => `version ${version}`,
  fromAll: 'from All',
  missing: 'Missing',
  none: '–',
  count: (shown: number, all: number) =>
    shown === all ? (all === 1 ? '1 name' : `${all} names`) : `${shown} of ${all} names`,
  nothingFound: 'No name matches',
  references: 'has references',
  mine: 'your own value',
  due: 'rotation due',
  cell: (name: string, environment: string, state: string) => `${name} in ${environment}: ${state}`,
  addCell: (name: string, environment: string, state: string) =>
    `${name} in ${environment}: ${state}, add a value`,
  empty: 'This project has no secrets yet',
  emptyText:
    'Add one, or import the .env file that you have: drop it here. Then start your program with them:',
  emptyCommand: 'keyhold run -- npm start',
  neverHardcode: 'Never hardcode secrets: programs read them from their environment.',
  legend: 'Missing: neither the environment nor All has a value.',
} as const

export const secretFormWords = {
  addTitle: 'Add secret',
  updateTitle: 'New value',
  detailsTitle: 'Edit details',
  mineTitle: 'Your own value',
  mineText: (name: string, environment: string) =>
    `A value of ${name} in ${environment} that only you get, in place of the project’s. Nobody else sees it.`,
  name: 'Name',
  nameHelp: 'Letters, digits and _, such as DATABASE_URL',
  environment: 'Environment',
  description: 'Description',
  note: 'Note',
  noteHelp: 'Not secret: shown to every member',
  references: 'Put other secrets in place of ${NAME}',
  referencesHelp: '${NAME} and ${environment.NAME} in the value stand for other secrets of this project',
  rotation: 'Rotation due after',
  rotationHelp: 'Days; 0 for never. Empty: as this instance has it for the type',
} as const

export const detailWords = {
  in: (environment: string) => `in ${environment}`,
  takenFromAll: (environment: string) =>
    `${environment} has no value of its own and takes this one from All.`,
  value: 'Value',
  valueOf: (name: string, environment: string) => `${name} in ${environment}`,
  mine: 'Your own value',
  mineIs: 'You get a value of your own here, in place of the project’s.',
  mineOf: (name: string) => `your own ${name}`,
  setMine: 'Set my own value',
  replaceMine: 'Replace my own value',
  removeMine: 'Remove my own value',
  removeMineTitle: 'Remove your own value',
  removeMineText: (name: string, environment: string) =>
    `Remove your own value of ${name} in ${environment}? You get the project’s again.`,
  remove: 'Remove',
  update: 'New value',
  details: 'Edit details',
  setHere: (environment: string) => `Set a value for ${environment}`,
  delete: 'Delete',
  deleteTitle: 'Delete secret',
  deleteText: (name: string, environment: string) =>
    `Delete ${name} of ${environment} with all its versions? Programs that start from now on are without it.`,
  deleteFallback: (name: string) =>
    `Environments without a value of their own take ${name} from All: they lose it too.`,
  refersToIt: 'These refer to it, and are left out once it is gone:',
  type: 'Type',
  version: 'Version',
  updated: 'Updated',
  by: (name: string) => `by ${name}`,
  accessed: 'Last accessed',
  rotation: 'Rotation',
  rotationDue: 'Due',
  noRotation: 'Never due',
  description: 'Description',
  note: 'Note',
  references: 'References',
  hasReferences: 'Its value has references to other secrets in it',
  referredBy: 'Referred to by',
  history: 'History',
  current: 'Current',
  restore: 'Restore',
  restoreOf: (version: number) => `Restore version ${version}`,
  restoreTitle: 'Restore version',
  restoreText: (name: string, version: number) =>
    `Make version ${version} of ${name} the current one again, as a new version?`,
  versionName: (name: string, version: number) => `version ${version} of ${name}`,
} as const

export const importWords = {
  title: 'Import secrets',
  text: 'Paste the lines of a .env file, or drop the file here. All of it is stored, or nothing.',
  lines: 'Lines',
  linesHelp: 'NAME=value, one on each line. They are parsed in this browser.',
  choose: 'Choose a file',
  environment: 'Into environment',
  existing: 'Names that are there already',
  existings: {
    refuse: 'Refuse the file',
    skip: 'Leave them as they are',
    replace: 'Replace their values',
  },
  problems: 'Nothing is imported while these lines are wrong',
  line: (line: number, problem: string) => `Line ${line}: ${problem}`,
  preview: 'What would be done',
  name: 'Name',
  does: 'Would',
  doesWords: {
    create: 'be created',
    replace: 'get another value',
    skip: 'stay as it is',
    refuse: 'keep the file from being imported: it is there already',
  },
  tooMany: (count: number, max: number) => `The file has ${count} secrets, and ${max} is the most.`,
  submit: (count: number) => (count === 1 ? 'Import 1 secret' : `Import ${count} secrets`),
  nothing: 'Import',
  done: (created: number, updated: number, unchanged: number) =>
    `Imported: ${created} created, ${updated} updated, ${unchanged} left as they were.`,
  deleteFile: 'Delete the file now, or keep it out of version control.',
} as const
