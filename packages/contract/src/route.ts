import type { Static, TObject, TSchema } from 'typebox'
import type { Action, Scope } from './actions.ts'
import type { ErrorCode } from './errors.ts'

/**
 * Who may call a route at all. `person`: a session or access token; `machine`: a project access key; `workspace`:
 * the agent of one; `anyone`: no credential is looked at. What the caller may then do is decided by the server's `access/`.
 */
export type RouteCaller = 'person' | 'machine' | 'workspace' | 'anyone'

/** One row of the API: everything client, server, OpenAPI file and tests need to know of a route. */
export interface Route<
  Params extends TObject = TObject,
  Query extends TObject = TObject,
  Body extends TSchema = TSchema,
  Answer extends TSchema = TSchema,
> {
  /** Stable name, the `operationId` in OpenAPI. */
  readonly id: string
  readonly method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  /** Path with `{name}` parameters, as OpenAPI writes it. */
  readonly path: string
  readonly summary: string
  readonly caller: RouteCaller
  /** What a limited access token needs. Absent: any of the person's tokens will do. */
  readonly scope?: Scope
  /** What the audit log calls it. Absent: the route touches nothing that is recorded. */
  readonly action?: Action
  readonly params?: Params
  readonly query?: Query
  readonly body?: Body
  /** Success status and body; `answer` absent means no body. */
  readonly status: 200 | 201 | 204
  readonly answer?: Answer
  /** The answer is `text/event-stream` and has no end; `answer` is then a string. */
  readonly isEventStream?: true
  /** The errors a caller should expect besides those every route may give. */
  readonly errors?: readonly ErrorCode[]
}

/** Keeps the literal types of a row. */
export function route<
  Params extends TObject = never,
  Query extends TObject = never,
  Body extends TSchema = never,
  Answer extends TSchema = never,
>(row: Route<Params, Query, Body, Answer>): Route<Params, Query, Body, Answer> {
  return row
}

type StaticOr<Schema, Otherwise> = [Schema] extends [never]
  ? Otherwise
  : Schema extends TSchema
    ? Static<Schema>
    : Otherwise

// biome-ignore lint/suspicious/noExplicitAny: any row, whatever its schemas; the inferred parts below are exact.
export type AnyRoute = Route<any, any, any, any>
export type ParamsOf<R extends AnyRoute> =
  R extends Route<infer P, infer _Q, infer _B, infer _A> ? StaticOr<P, undefined> : never
export type QueryOf<R extends AnyRoute> =
  R extends Route<infer _P, infer Q, infer _B, infer _A> ? StaticOr<Q, undefined> : never
export type BodyOf<R extends AnyRoute> =
  R extends Route<infer _P, infer _Q, infer B, infer _A> ? StaticOr<B, undefined> : never
export type AnswerOf<R extends AnyRoute> =
  R extends Route<infer _P, infer _Q, infer _B, infer A> ? StaticOr<A, void> : never
