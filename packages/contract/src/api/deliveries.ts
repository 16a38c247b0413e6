import Type, { type Static } from 'typebox'
import { limits } from '../limits.ts'
import { route } from '../route.ts'
import { Encoding, SecretType } from './secrets.ts'
import { Id, Nullable, OneOf, Time, VisitorPass } from './shapes.ts'

/** Where what a workspace gets comes from, what goes first being first. */
export const variableSources = ['workspace', 'override', 'project', 'personal'] as const

/** A secret that a workspace gets, or would get if another one did not go before it. */
export const VariableSource = Type.Object({
  kind: OneOf(variableSources),
  /** The workspace, `project/environment`, or the owner; of an own value of the owner's, for which environment it is. */
  name: Type.String(),
  secretId: Id,
  secretName: Type.String(),
  version: Type.Integer(),
})
export type VariableSource = Static<typeof VariableSource>

/** Why the agent did not write a file. What each means to people is said by who shows it. */
export const fileProblems = [
  /** There is no place in memory, and values are not written to a disk. */
  'no-memory',
  /** Neither in the home directory nor below what the agent was allowed. */
  'outside',
  /** A folder on the way is a link, or no folder. */
  'no-folder',
  /** A folder on the way belongs to somebody else, or others can write to it. */
  'foreign-folder',
  /** Something is there that Keyhold did not put there. */
  'taken',
  /** The system refused. */
  'failed',
] as const
export type FileProblem = (typeof fileProblems)[number]

/** Why a secret is not in effect: it was left out of the delivery, or its file was not written. */
export const deliveryProblems = ['left-out', ...fileProblems] as const

/** Whether the agent has said that programs get it as it is now. */
const Effect = Type.Object({
  /** `pending`: the agent has not heard of it yet; `refused`: it has, and could not. */
  state: OneOf(['in-effect', 'pending', 'refused']),
  /** Version of the secret that programs get; `null`: none. */
  version: Nullable(Type.Integer()),
  problem: Type.Optional(OneOf(deliveryProblems)),
})
export type Effect = Static<typeof Effect>

const Hides = Type.Array(VariableSource, { description: 'Others that would be here if this one were not' })

export const WorkspaceVariables = Type.Object({
  variables: Type.Array(
    Type.Object({
      name: Type.String(),
      /** The value, or the path of a file with it. */
      holds: OneOf(['value', 'path']),
      /** With `path`: where the file is. */
      path: Type.Optional(Type.String()),
      from: VariableSource,
      hides: Hides,
      effect: Effect,
    }),
  ),
  files: Type.Array(Type.Object({ path: Type.String(), from: VariableSource, hides: Hides, effect: Effect })),
  /** Too large together with what goes before: nothing of these is delivered. */
  tooLarge: Type.Array(Type.Object({ variable: Type.String(), from: VariableSource, bytes: Type.Integer() })),
  /** What is fetched from outside stores when the agent starts. Counts after everything else. */
  fromStores: Type.Array(
    Type.Object({
      /** `null`: each of the values at the path, which are not known before they are fetched. */
      name: Nullable(Type.String()),
      store: Type.String(),
      path: Type.String(),
      /** Something that goes before, so that this one is not set. */
      hiddenBy: Nullable(VariableSource),
      /** False: administrators do not let the workspace take it. */
      isAllowed: Type.Boolean(),
    }),
  ),
  /** Linked environments of projects that the owner is no longer a member of: nothing of these is delivered. */
  unavailable: Type.Array(Type.Object({ project: Type.String(), environment: Type.String() })),
  /** What the agent last said; `null`: nothing, or it has ended. */
  applied: Nullable(
    Type.Object({
      at: Time,
      /** It has all as it is now, and nothing that was taken away. */
      isCurrent: Type.Boolean(),
    }),
  ),
})
export type WorkspaceVariables = Static<typeof WorkspaceVariables>

export const listWorkspaceVariables = route({
  id: 'workspace.variables',
  method: 'GET',
  path: '/api/v1/workspaces/{workspaceId}/variables',
  summary:
    'List the variables and files that a workspace gets, where each comes from and what it hides; never values (owner, Admin, Edit)',
  caller: 'person',
  scope: 'workspace-secrets:read',
  action: 'workspace.variables',
  params: Type.Object({ workspaceId: Id }),
  status: 200,
  answer: WorkspaceVariables,
  errors: ['workspace.not_found'],
})

/** A secret as the agent of a workspace gets it. */
export const DeliveredToWorkspace = Type.Object({
  /** Main variable, as for `keyhold run`: a key also has `<name>_FILE`; `null`: none, or another secret goes before. */
  name: Nullable(Type.String()),
  type: SecretType,
  /** Where its file belongs, chosen or not; `null`: none, or another secret goes before. */
  path: Nullable(Type.String()),
  value: Type.String(),
  encoding: Encoding,
})

export const beginSession = route({
  id: 'agent.session',
  method: 'POST',
  path: '/api/v1/workspaces/current/sessions',
  summary:
    'Say that somebody who came in by SSH gets what the workspace has, before they get it; each value is recorded as used by them',
  caller: 'workspace',
  action: 'agent.deliver',
  body: Type.Object(
    {
      pass: VisitorPass,
      storeVariables: Type.Optional(
        Type.Array(Type.String({ maxLength: limits.secretNameBytes }), {
          maxItems: limits.storeVariablesPerSession,
          description: 'Names of the variables that the agent has of outside stores, and would hand over',
        }),
      ),
    },
    { additionalProperties: false },
  ),
  status: 201,
  answer: Type.Object({
    /** Of the delivery that was recorded; with another one, the agent fetches first, and asks again. */
    version: Type.String(),
    /** Those of outside stores that were recorded; the agent hands over no others. */
    storeVariables: Type.Array(Type.String()),
  }),
  errors: ['rate.limited', 'agent.pass_invalid'],
})

export const readDelivery = route({
  id: 'agent.delivery',
  method: 'GET',
  path: '/api/v1/workspaces/current/delivery',
  summary:
    'All that the workspace gets, with values; each is recorded as used before it leaves. Nothing of it when `have` is what there is',
  caller: 'workspace',
  action: 'agent.deliver',
  query: Type.Object({
    /** `version` of the delivery that the agent has. */
    have: Type.Optional(Type.String({ maxLength: 64 })),
  }),
  status: 200,
  answer: Type.Object({
    /** Another one as soon as anything of it is another. */
    version: Type.String(),
    isUnchanged: Type.Boolean(),
    /** By the clock of the server, by which `expiresAt` is meant. */
    now: Time,
    secrets: Type.Array(
      Type.Object({
        id: Id,
        ...DeliveredToWorkspace.properties,
        /** Then it is given out no more, and the agent asks what there is in its place. */
        expiresAt: Nullable(Time),
      }),
    ),
    /** Left out, since a reference in it has no value, or since the environment would be too large. */
    leftOut: Type.Array(Type.Object({ secretId: Id, name: Type.String(), reason: Type.String() })),
    /** Values that are in others by reference: for masking. */
    referenced: Type.Array(Type.Object({ value: Type.String(), encoding: Encoding })),
  }),
  errors: ['rate.limited'],
})

export const startWorkspace = route({
  id: 'agent.start',
  method: 'POST',
  path: '/api/v1/workspaces/current/start',
  summary:
    'Begin: what the workspace takes of outside stores, fetched now and kept nowhere, and what stops the start. Called once by each agent',
  caller: 'workspace',
  action: 'agent.start',
  status: 200,
  answer: Type.Object({
    /** None when something stops the start. */
    secrets: Type.Array(DeliveredToWorkspace),
    problems: Type.Array(
      Type.Object({
        /** Names the store, never what Keyhold signs in with. */
        text: Type.String(),
        /** Else it is a warning. */
        stopsStart: Type.Boolean(),
      }),
    ),
  }),
  errors: ['rate.limited'],
})

export const reportApplied = route({
  id: 'agent.applied',
  method: 'PUT',
  path: '/api/v1/workspaces/current/applied',
  summary: 'Say which delivery is in effect, and what of it is not',
  caller: 'workspace',
  action: 'agent.apply',
  body: Type.Object(
    {
      /** `version` of the delivery; `null`: the agent ends, and programs get nothing any more. */
      version: Nullable(Type.String({ pattern: '^[0-9a-f]{64}$' })),
      problems: Type.Array(
        Type.Object({ secretId: Id, problem: OneOf(deliveryProblems) }, { additionalProperties: false }),
        { maxItems: limits.deliveryProblems },
      ),
    },
    { additionalProperties: false },
  ),
  status: 200,
  answer: Type.Object({
    /** False: it is another one by now, and nothing was kept. The agent is told that there is something to fetch. */
    isCurrent: Type.Boolean(),
  }),
  errors: ['rate.limited'],
})
