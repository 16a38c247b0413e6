import Type, { type Static } from 'typebox'
import { limits } from '../limits.ts'
import { route } from '../route.ts'
import { EnvironmentName } from './projects.ts'
import { SecretName } from './secrets.ts'
import { Id, OneOf, VisitorPass } from './shapes.ts'

/*
 * Reports of what programs did with the secrets they were given. They are the word of whoever runs the program: advisory,
 * and never a value.
 */

/** Control characters, and those that nobody sees or that turn the direction of text. */
const CONTROL =
  '\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200b-\\u200f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff'

/** Relative, and nothing that climbs out: where a program is on somebody's disk is nobody's business. */
const File = Type.String({
  minLength: 1,
  maxLength: limits.usePathLength,
  pattern: `^(?![/\\\\])(?![A-Za-z]:)(?!(?:.*[/\\\\])?\\.\\.(?:[/\\\\]|$))(?!.*://)[^${CONTROL}]*$`,
  description: 'Path relative to where the run was started, without ".."',
})

const Program = Type.String({
  minLength: 1,
  maxLength: limits.nameLength,
  pattern: `^[^/\\\\${CONTROL}]+$`,
  description: 'Name of the program, without a path',
})

const Package = Type.String({
  minLength: 1,
  maxLength: limits.nameLength,
  pattern: '^@?[A-Za-z0-9_][A-Za-z0-9._~-]*(?:/[A-Za-z0-9._~-]+)?$',
  description: 'Package that read it for the line',
})

const Place = Type.Integer({ minimum: 1, maximum: limits.useLine })

/**
 * `read`: code at this line read it; `inherited`: this line started another process that has it; `program`: a program was
 * started with it that does not tell what it reads.
 */
export const useKinds = ['read', 'inherited', 'program'] as const

export const SecretUse = Type.Object(
  {
    name: SecretName,
    kind: OneOf(useKinds),
    program: Program,
    file: Type.Optional(File),
    line: Type.Optional(Place),
    column: Type.Optional(Place),
    via: Type.Optional(Package),
    /** How often so far; one record all the same. Default 1. */
    count: Type.Optional(Type.Integer({ minimum: 1 })),
  },
  { additionalProperties: false },
)
export type SecretUse = Static<typeof SecretUse>

export const UseReport = Type.Object(
  {
    /** Names one run of a program, and nothing else: random, made by whoever starts it. */
    run: Type.String({ pattern: '^[A-Za-z0-9_-]{8,64}$', description: 'Id of the run, 8 to 64 characters' }),
    /** The environment that the run was given. Default: All. */
    environment: Type.Optional(EnvironmentName),
    uses: Type.Array(SecretUse, { minItems: 1, maxItems: limits.usesPerReport }),
  },
  { additionalProperties: false },
)
export type UseReport = Static<typeof UseReport>

const UseAnswer = Type.Object({
  /** How many more of the run are recorded. What is reported beyond is dropped. */
  remaining: Type.Integer(),
})

export const reportUses = route({
  id: 'secret.use',
  method: 'POST',
  path: '/api/v1/projects/{projectId}/uses',
  summary:
    'Report where a program that a person started read its secrets: once for each run, name and line; other names are dropped',
  caller: 'person',
  scope: 'secrets:reveal',
  action: 'secret.use',
  params: Type.Object({ projectId: Id }),
  body: UseReport,
  status: 200,
  answer: UseAnswer,
  errors: ['project.not_found', 'environment.not_found'],
})

export const reportCurrentUses = route({
  id: 'current.use',
  method: 'POST',
  path: '/api/v1/projects/current/uses',
  summary:
    'Report where a program read its secrets: once for each run, name and line; other names are dropped',
  caller: 'machine',
  action: 'secret.use',
  body: UseReport,
  status: 200,
  answer: UseAnswer,
  errors: ['environment.not_found'],
})

export const reportWorkspaceUses = route({
  id: 'agent.use',
  method: 'POST',
  path: '/api/v1/workspaces/current/uses',
  summary:
    'Report where a program of the workspace read its secrets: once for each run, name and line; other names are dropped',
  caller: 'workspace',
  action: 'secret.use',
  body: Type.Object(
    {
      run: UseReport.properties.run,
      uses: UseReport.properties.uses,
      pass: Type.Optional(VisitorPass),
    },
    { additionalProperties: false },
  ),
  status: 200,
  answer: UseAnswer,
})
