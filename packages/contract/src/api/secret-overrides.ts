import Type, { type Static } from 'typebox'
import { route } from '../route.ts'
import { EnvironmentName } from './projects.ts'
import { Encoding, SecretValue, Value } from './secrets.ts'
import { Id, Time } from './shapes.ts'

const Params = Type.Object({ projectId: Id, secretId: Id })
/** Default: the environment of the secret. */
const Environment = Type.Optional(EnvironmentName)

/** A person's own value for a secret of a project, without the value. */
export const SecretOverride = Type.Object({
  name: Type.String(),
  environment: Type.String(),
  version: Type.Integer(),
  createdAt: Time,
  updatedAt: Time,
  /** As of secrets: false for what is not taken out of logs. */
  isMasked: Type.Boolean(),
})
export type SecretOverride = Static<typeof SecretOverride>

export const setSecretOverride = route({
  id: 'secret-override.set',
  method: 'PUT',
  path: '/api/v1/projects/{projectId}/secrets/{secretId}/override',
  summary:
    'Set a value of your own for a secret, which nobody else gets; for an environment that takes it from All too',
  caller: 'person',
  scope: 'secrets:write',
  action: 'secret-override.create',
  params: Params,
  body: Type.Object(
    { value: Value, encoding: Type.Optional(Encoding), environment: Environment },
    { additionalProperties: false },
  ),
  status: 200,
  answer: SecretOverride,
  errors: [
    'project.not_found',
    'environment.not_found',
    'secret.not_found',
    'secret_override.limit',
    'session.reauthentication_required',
  ],
})

export const revealSecretOverride = route({
  id: 'secret-override.reveal',
  method: 'POST',
  path: '/api/v1/projects/{projectId}/secrets/{secretId}/override/reveal',
  summary:
    'Read your own value for a secret, as an environment has it; in a browser session the password must be fresh',
  caller: 'person',
  scope: 'secrets:reveal',
  action: 'secret-override.read',
  params: Params,
  body: Type.Object({ environment: Environment }, { additionalProperties: false }),
  status: 200,
  answer: SecretValue,
  errors: [
    'project.not_found',
    'environment.not_found',
    'secret.not_found',
    'secret_override.not_found',
    'session.reauthentication_required',
  ],
})

export const deleteSecretOverride = route({
  id: 'secret-override.delete',
  method: 'DELETE',
  path: '/api/v1/projects/{projectId}/secrets/{secretId}/override',
  summary: "Remove your own value for a secret, so that you get the project's again",
  caller: 'person',
  scope: 'secrets:write',
  action: 'secret-override.delete',
  params: Params,
  query: Type.Object({ environment: Environment }),
  status: 204,
  errors: ['project.not_found', 'environment.not_found', 'secret.not_found', 'secret_override.not_found'],
})
