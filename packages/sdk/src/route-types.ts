import type { AnswerOf, BodyOf, ParamsOf, QueryOf } from '@keyhold/contract/route'
import type { ContractRoutes } from './routes.gen.ts'

/** Stable name of a route, its `operationId` in the OpenAPI description. */
export type RouteId = keyof ContractRoutes

/** What one call may change of the client's settings. */
export interface CallSettings {
  /** Gives the call up; it then fails with `network.aborted`. */
  readonly signal?: AbortSignal | undefined
  /** Milliseconds for the whole call with its retries. */
  readonly deadlineMs?: number | undefined
}

/** A part of the input: left out where the route has none, optional where all of its fields are. */
type Part<Key extends string, T> = [T] extends [undefined]
  ? { readonly [K in Key]?: undefined }
  : Record<never, never> extends T
    ? { readonly [K in Key]?: T }
    : { readonly [K in Key]: T }

export type CallInput<Id extends RouteId> = Part<'params', ParamsOf<ContractRoutes[Id]>> &
  Part<'query', QueryOf<ContractRoutes[Id]>> &
  Part<'body', BodyOf<ContractRoutes[Id]>> &
  CallSettings

/** The input as an argument list, so that it may be left out where nothing in it is required. */
export type CallArguments<Id extends RouteId> =
  Record<never, never> extends CallInput<Id> ? [input?: CallInput<Id>] : [input: CallInput<Id>]

export type CallAnswer<Id extends RouteId> = AnswerOf<ContractRoutes[Id]>
