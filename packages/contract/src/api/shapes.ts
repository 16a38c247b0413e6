import Type, { type Static, type TSchema } from 'typebox'
import { limits } from '../limits.ts'

/** An id: kind prefix, underscore, random part. Anything else is answered as "not found". */
export const Id = Type.String({ minLength: 1, maxLength: 64, description: 'Id, such as prj_4k…' })

/** Id of a workspace. Letters and digits, since it is also a host name and the name of a container. */
export const WorkspaceId = Type.String({
  maxLength: 64,
  pattern: '^ws-[a-z0-9]{8,}$',
  description: 'Id of a workspace, such as ws-4k7p2m9x',
})

/** ISO 8601 in UTC with milliseconds, as `Date.prototype.toISOString` writes it. */
export const Time = Type.String({ format: 'date-time' })

/** A name as people type it: Unicode, kept as typed, not blank, no control characters, no half of a character. */
export const Name = Type.String({
  minLength: 1,
  maxLength: limits.nameLength,
  pattern: '^(?=.*\\S)[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029\\ud800-\\udfff]*$',
  description: `Not blank, no control characters, at most ${limits.nameLength} characters`,
})

/** Free text. Half of a surrogate pair is no character: it would be stored as another text than was sent. */
export const Description = Type.String({
  maxLength: limits.descriptionLength,
  pattern: '^[^\\u0000\\ud800-\\udfff]*$',
})

/** Instance e-mail address; compared in lower case. */
export const Email = Type.String({
  minLength: 3,
  maxLength: 254,
  pattern: '^[^\\s@\\u0000-\\u001f\\ud800-\\udfff]+@[^\\s@\\u0000-\\u001f\\ud800-\\udfff]+$',
  description: 'E-mail address',
})

/** A new one of somebody who may have a second factor: then {@link limits.passwordLengthMinWithFactor} will do. */
export const ChangedPassword = Type.String({
  minLength: limits.passwordLengthMinWithFactor,
  maxLength: limits.passwordLengthMax,
  description: `${limits.passwordLengthMin} to ${limits.passwordLengthMax} characters; ${limits.passwordLengthMinWithFactor} with a second factor`,
})

export const Password = Type.String({
  minLength: limits.passwordLengthMin,
  maxLength: limits.passwordLengthMax,
  description: `${limits.passwordLengthMin} to ${limits.passwordLengthMax} characters`,
})

/** One of some words. */
export const OneOf = <T extends string>(values: readonly T[], options: { description?: string } = {}) =>
  Type.Unsafe<T>({ type: 'string', enum: [...values], ...options })

export const Nullable = <S extends TSchema>(schema: S) => Type.Union([schema, Type.Null()])

/** A person as others see them. */
export const PersonRef = Type.Object({ id: Id, name: Type.String(), email: Type.String() })
export type PersonRef = Static<typeof PersonRef>

/** Says whose session by SSH something is of. */
export const VisitorPass = Type.String({
  minLength: 1,
  maxLength: 2048,
  description: 'As the agent got it when they came in',
})
