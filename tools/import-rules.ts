import type { IConfiguration, IForbiddenRuleType, IRegularForbiddenRuleType } from 'dependency-cruiser'

/*
 * Who may import whom (ARCHITECTURE.md draws it). Paths are relative to the root of the repository, or of
 * tools/planted-violation, where each rule is broken once on purpose.
 */

/** The server's folders, from what knows most to what knows least. Each may import those after it, never before. */
const LEVELS = [
  'main',
  'admin',
  'compose',
  'ssh-gateway',
  'schedule',
  'upkeep',
  'credentials',
  'activity',
  'workspaces',
  'projects',
  'accounts',
  'access',
  'audit',
  'vault',
  'storage',
  'base',
] as const

/** Files outside vault/ that may import `node:crypto`, and what for. Ciphers belong into vault/ alone. */
export const cryptoUsers: Readonly<Record<string, string>> = {
  'packages/server/src/base/ids.ts': 'random bits of ids, tokens, keys and traces; SHA-256 of tokens',
  'packages/server/src/base/ssh-public-key.ts': 'fingerprints of SSH keys; points of the NIST curves',
  'packages/server/src/accounts/password.ts': 'Argon2id',
  'packages/server/src/accounts/second-factor.ts': 'SHA-256 of recovery codes',
  'packages/server/src/accounts/oidc-client.ts': 'PKCE verifiers and nonces (HMAC)',
  'packages/server/src/audit/leaf.ts': 'SHA-256 of the audit tree',
  'packages/server/src/audit/audit-log.ts': 'Ed25519 signatures of checkpoints',
  'packages/server/src/base/webhook.ts': 'HMAC-SHA-256 of what is sent to webhooks',
  'packages/server/src/credentials/ssh-identity/ssh-signer.ts': 'key pairs and signatures of SSH identities',
  'packages/server/src/credentials/outside-store/outside-store.service.ts': 'whether a CA is certificates',
  'packages/server/src/credentials/repository/repository-provider.service.ts': 'whether a CA is certificates',
  'packages/server/src/credentials/repository/repository.service.ts': 'PKCE (SHA-256), its verifier (HMAC)',
  'packages/server/src/ssh-gateway/hybrid-kex.ts': 'ML-KEM with X25519, which the SSH library has not',
  'packages/server/src/ssh-gateway/verify-signature.ts': 'signatures of SSH logins',
  'packages/server/src/http/operations.ts': 'comparison of the metrics token in constant time',
  'packages/cli/src/run/offline-copy.ts':
    'AES-256-GCM and HKDF of the copy for when Keyhold cannot be reached',
  'packages/cli/src/commands/audit/verify-signature.ts': 'SHA-256 and Ed25519 of audit logs and proofs',
}

const src = (name: string) => `^packages/${name}/src/`
const server = src('server')
const level = (name: string) => (name === 'main' ? `${name}[.]ts$` : `${name}/`)
const anyOf = (parts: readonly string[]) => `(?:${parts.join('|')})`
const npm = (names: readonly string[]) => `(?:^|/)node_modules/(?:@types/)?${anyOf(names)}/`
const builtin = (names: readonly string[]) => `^(?:node:)?${anyOf(names)}$`
const exactly = (paths: readonly string[]) => `^${anyOf(paths.map((path) => path.replaceAll('.', '[.]')))}$`

/** A package that is imported by type only leaves nothing behind at run time. */
const atRunTime = { dependencyTypesNot: ['type-only' as const] }

function rule(
  name: string,
  comment: string,
  from: IRegularForbiddenRuleType['from'],
  to: IRegularForbiddenRuleType['to'],
) {
  return { name, comment, severity: 'error' as const, from, to }
}

const betweenPackages = [
  rule(
    'contract-imports-no-package',
    'The contract is what all others share; it depends on none of them',
    { path: src('contract') },
    { path: '^packages/', pathNot: src('contract') },
  ),
  rule(
    'contract-does-no-io',
    'The contract runs in Node and in browsers alike',
    { path: src('contract') },
    { dependencyTypes: ['core'], ...atRunTime },
  ),
  rule(
    'masking-stands-alone',
    'The masker is usable without the rest of Keyhold',
    { path: src('masking') },
    { pathNot: [src('masking'), builtin(['stream', 'buffer'])] },
  ),
  rule(
    'sdk-stands-alone',
    'The SDK brings nothing with it: it may use the contract by type only',
    { path: src('sdk') },
    { pathNot: src('sdk'), ...atRunTime },
  ),
  rule(
    'sdk-imports-contract-only',
    'Even by type, the SDK knows only the contract',
    { path: src('sdk') },
    { path: '^packages/', pathNot: [src('sdk'), src('contract')] },
  ),
  rule(
    'nothing-imports-server',
    'What runs on other machines must not carry the server',
    { path: '^packages/(?!server/)[^/]+/' },
    { path: '^packages/server/' },
  ),
  rule(
    'server-imports-contract-and-masking-only',
    'The server knows no client of its own',
    { path: server },
    { path: '^packages/', pathNot: ['^packages/server/', src('contract'), src('masking')] },
  ),
  rule(
    'web-imports-contract-and-sdk-only',
    'The web application is a client of the API like any other',
    { path: src('web') },
    { path: '^packages/', pathNot: [src('web'), src('contract'), src('sdk')] },
  ),
  rule(
    'web-runs-in-browsers',
    'Browsers have no modules of Node',
    { path: src('web') },
    { dependencyTypes: ['core'] },
  ),
  rule(
    'web-has-no-schemas',
    'The server checks what is sent; the library of the schemas would be a third of what browsers load',
    { path: src('web') },
    { path: `${src('contract')}(?:api/|route[.]ts)`, ...atRunTime },
  ),
  rule(
    'packages-meet-by-name',
    'Another package is imported by its name, through its exports, never by a path into it',
    { path: '^packages/([^/]+)/' },
    { path: '^packages/', pathNot: '^packages/$1/', dependencyTypes: ['local'] },
  ),
  rule(
    'dependencies-are-declared',
    'A package imports only what its package.json names',
    { path: '^packages/[^/]+/src/' },
    { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
  ),
  rule('imports-resolve', 'Every import leads somewhere', { path: '^packages/' }, { couldNotResolve: true }),
  rule(
    'no-cycles',
    'What imports each other is one thing in several files. A command that is loaded when it is called is no part of one',
    { path: '^packages/' },
    { circular: true, viaOnly: { dependencyTypesNot: ['dynamic-import'] } },
  ),
]

const serverLevels = LEVELS.slice(1).map((name, i) =>
  rule(
    `server-${name}-imports-to-its-right`,
    `${LEVELS.join(' → ')}`,
    { path: `${server}${level(name)}` },
    { path: `${server}${anyOf(LEVELS.slice(0, i + 1).map(level))}` },
  ),
)

const insideServer = [
  rule(
    'http-imports-only-base',
    'What http/ needs of others, such as who is calling, is handed to it by compose/',
    { path: `${server}http/` },
    { path: server, pathNot: [`${server}http/`, `${server}base/`] },
  ),
  rule(
    'only-routes-import-http',
    'Rules, services and stores do not know that there is HTTP',
    { path: server, pathNot: [`${server}http/`, '[.]routes[.]ts$', `${server}(?:compose/|main[.]ts$)`] },
    { path: `${server}http/` },
  ),
  rule(
    'config-is-a-leaf',
    'The configuration knows no feature',
    { path: `${server}config/` },
    { path: '^packages/', pathNot: `${server}config/` },
  ),
  rule(
    'config-is-passed-in',
    'It is read once, by main.ts or a command of admin/, and handed on in parts by compose/',
    { path: server, pathNot: [`${server}(?:config|admin)/`, `${server}(?:compose/|main[.]ts$)`] },
    { path: `${server}config/` },
  ),
  rule(
    'kinds-do-not-import-each-other',
    'A kind of credential can be read, changed and removed by itself',
    { path: `${server}credentials/([^/]+)/` },
    { path: `${server}credentials/[^/]+/`, pathNot: `${server}credentials/$1/` },
  ),
  rule(
    'stores-are-private-to-their-folder',
    'Rows of a table are touched in one place. compose/, which knows everything, may read the name of the instance',
    { path: `${server}(.+)/[^/]+$`, pathNot: `${server}compose/` },
    { path: '[.]store[.]ts$', pathNot: `${server}$1/[^/]+$` },
  ),
  rule(
    'only-stores-touch-sql',
    'Kysely and the drivers are in *.store.ts, storage/ and the thread that writes audit records',
    { path: server, pathNot: ['[.]store[.]ts$', `${server}storage/`, `${server}audit/audit-writer`] },
    { path: [npm(['kysely', 'pg', 'pg-[^/]+']), builtin(['sqlite'])] },
  ),
  rule(
    'only-http-imports-fastify',
    'Fastify could be replaced by changing http/ alone',
    { path: server, pathNot: [`${server}http/`, '[.]routes[.]ts$'] },
    { path: npm(['fastify', '@fastify', 'fastify-[^/]+']) },
  ),
  rule(
    'only-gpg-keys-touch-openpgp',
    'One file of the kind makes, reads and uses key pairs of OpenPGP; it could be replaced by changing that file alone',
    { path: src('[^/]+'), pathNot: `${server}credentials/gpg-key/openpgp[.]ts$` },
    { path: npm(['openpgp']) },
  ),
  rule(
    'cryptography-has-few-places',
    'node:crypto is imported by vault/ and the files listed in tools/import-rules.ts, each for its reason',
    { path: '^packages/[^/]+/src/', pathNot: [`${server}vault/`, exactly(Object.keys(cryptoUsers))] },
    { path: builtin(['crypto']) },
  ),
]

export const importRules: readonly IForbiddenRuleType[] = [
  ...betweenPackages,
  ...serverLevels,
  ...insideServer,
]

export const cruiseOptions: NonNullable<IConfiguration['options']> = {
  doNotFollow: { path: 'node_modules' },
  exclude: { path: '^packages/[^/]+/dist/' },
  // Imports of types count too: a folder that needs another one's types knows that folder.
  tsPreCompilationDeps: true,
  tsConfig: { fileName: 'tsconfig.json' },
  enhancedResolveOptions: {
    exportsFields: ['exports'],
    conditionNames: ['import', 'node', 'types', 'default'],
    extensions: ['.ts', '.tsx', '.js', '.mjs', '.cjs', '.d.ts', '.json'],
  },
}
