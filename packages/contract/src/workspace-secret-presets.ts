import type { SecretType } from './api/secrets.ts'

export interface WorkspaceSecretPreset {
  readonly name: string
  readonly type: SecretType
  /** What it is for. */
  readonly description: string
}

/** Secrets that many workspaces need (acceptance SEC-12). Names and purposes; nobody's value. */
export const workspaceSecretPresets: readonly WorkspaceSecretPreset[] = [
  { name: 'GITHUB_TOKEN', type: 'token', description: 'Clone private repositories, push code, call the API' },
  { name: 'DATABASE_URL', type: 'password', description: 'Address of the database with its password' },
  { name: 'STRIPE_API_KEY', type: 'token', description: 'Take payments with Stripe' },
  { name: 'MAILGUN_API_KEY', type: 'token', description: 'Send e-mail with Mailgun' },
  {
    name: 'SSH_PRIVATE_KEY',
    type: 'file',
    description: 'Private SSH key; the variable holds the path of its file',
  },
  { name: 'NODE_ENV', type: 'token', description: 'Mode of Node programs: production, development' },
  { name: 'DEBUG', type: 'token', description: 'Whether programs print more: true, false' },
]
