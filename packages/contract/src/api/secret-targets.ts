import Type from 'typebox'
import { limits } from '../limits.ts'
import { Description, Nullable, OneOf, Time } from './shapes.ts'

/*
 * Where a secret goes in a workspace, the same for those of a person and those of a workspace: into a variable, a file, or
 * both.
 */

const EnvName = Type.String({
  minLength: 1,
  maxLength: limits.secretNameBytes,
  description:
    'Environment variable: letters, digits and _, not starting with a digit; not a reserved name. For type file it holds the path',
})

const FilePath = Type.String({
  minLength: 1,
  maxLength: limits.filePathBytes,
  description:
    'Starts with ~/ or /; no . or .. segment, no // and no / at its end; ~/.keyhold is kept for Keyhold',
})

/** What a request may say of it. */
export const targetSettings = {
  description: Type.Optional(Description),
  envName: Type.Optional(Nullable(EnvName)),
  filePath: Type.Optional(Nullable(FilePath)),
  /** Default true. An enabled secret needs a variable or a path. */
  isEnabled: Type.Optional(Type.Boolean()),
  expiresAt: Type.Optional(Nullable(Time)),
}

/** What every answer about such a secret has. Never a value. */
export const targetFields = {
  description: Type.String(),
  /** Variable that it is delivered in; `null`: none. */
  envName: Nullable(Type.String()),
  /** Path that was chosen for it; `null` with a variable and type key or file: a file below `~/.keyhold`. */
  filePath: Nullable(Type.String()),
  /** False: kept, and delivered nowhere. */
  isEnabled: Type.Boolean(),
  version: Type.Integer(),
  createdAt: Time,
  updatedAt: Time,
  /** `null`: "No expiry". */
  expiresAt: Nullable(Time),
  /** Delivered to a workspace, or revealed. `null`: "Never". Moves on within one minute. */
  lastUsedAt: Nullable(Time),
  status: OneOf(['active', 'inactive', 'expired']),
  /** `secret123`, `key`, `temp`: saved, but a clearer name of the variable would help. */
  nameWarning: Nullable(Type.String()),
  /** False for short values and ordinary words, which are not taken out of logs (they would blank ordinary text). */
  isMasked: Type.Boolean(),
}
