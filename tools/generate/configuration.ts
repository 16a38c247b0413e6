import { foreignVariables, type Option, options } from '../../packages/server/src/config/options.ts'
import { code, page, table } from './markdown.ts'

/** The variables of the command line and of the SDK. */
const clientVariables: Readonly<Record<string, string>> = {
  KEYHOLD_URL:
    'Address of the Keyhold server, such as `https://keys.example.com`. HTTPS, unless it is on this machine.',
  KEYHOLD_TOKEN: "A person's access token (`kh_pat_…`).",
  KEYHOLD_ACCESS_KEY_ID: 'ID of a project access key, for machines. Not together with KEYHOLD_TOKEN.',
  KEYHOLD_ACCESS_KEY: 'The access key that belongs to the ID (`kh_aks_…`).',
  KEYHOLD_ENVIRONMENT: 'Environment of the project. Default: `All`.',
  KEYHOLD_ENROLLMENT_TOKEN:
    'Token with which `keyhold agent` joins a workspace the first time (`kh_enr_…`). Read by the agent only.',
  KEYHOLD_MAX_AGE:
    'How old the copy may be that `keyhold run` keeps for when Keyhold cannot be reached, such as `12h`. Default: no copy.',
  KEYHOLD_AGENT_SOCKET:
    'Where `keyhold agent` listens and `keyhold run` asks. Default: `keyhold-agent/agent.sock` in `$XDG_RUNTIME_DIR`, else `/tmp/keyhold-agent-<uid>/agent.sock`.',
  KEYHOLD_WORKLOAD_IDENTITY:
    'Workload identity of a CI job or a pod: ID of the identity that its platform vouches for, in place of an access key.',
  KEYHOLD_PROJECT: 'Project, by id or name, for commands of people. Read by the command line only.',
}

const cell = ({ name, default: standard, doc, isSecret }: Option) => [
  code(name),
  standard === undefined ? '' : code(standard),
  // Names of variables in the text are set as code, as in the first column.
  `${doc.replaceAll(/(?<![`\w])KEYHOLD_[A-Z_]+/g, '`$&`')}${isSecret ? ' **Secret.**' : ''}`,
]

/** All variables that Keyhold reads. */
export function renderConfiguration(): string {
  for (const name of foreignVariables) {
    if (!(name in clientVariables)) throw new Error(`configuration.md says nothing about ${name}`)
  }
  return page(
    '# Configuration',
    'Everything is set by environment variables. Each may also be given as `<NAME>_FILE`, the path of a file that holds\n' +
      'the value: the better way for what is marked secret, because the environment of a process is seen by more programs\n' +
      'than a file with mode 0600. Giving both is an error.',
    '## Server',
    'Read once, at start. A mistake stops the server with a message that names the variable; a `KEYHOLD_` variable that\n' +
      'does not exist is a warning in the log. Values marked secret are never printed.',
    table(['Variable', 'Default', ''], (options as readonly Option[]).map(cell)),
    'Plain HTTP is only served on loopback. On any other address the server starts with a certificate, or behind a proxy\n' +
      'that is named in `KEYHOLD_TRUSTED_PROXIES`.',
    '## Command line and SDK',
    table(
      ['Variable', ''],
      Object.entries(clientVariables).map(([name, doc]) => [
        code(name),
        doc.replaceAll(/(?<![`\w])KEYHOLD_[A-Z_]+/g, '`$&`'),
      ]),
    ),
    'An option of the command line wins over its variable, a variable over what `keyhold setup` stored in\n' +
      '`$XDG_CONFIG_HOME/keyhold/credentials.json` (`~/.config` by default). The stored token is sent to the address that is\n' +
      'stored beside it and to no other. `KEYHOLD_DEBUG=1` adds the places in the code to an internal error.',
  )
}
