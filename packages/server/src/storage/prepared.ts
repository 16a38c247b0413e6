import type { Compilable, CompiledQuery } from 'kysely'
import type { Storage } from './storage.ts'
import type { Database } from './tables.ts'

/*
 * Queries that every delivery runs, built and compiled once. Building one anew costs several times what the database
 * takes to answer it.
 */

/** Stands in for a value while the query is built. */
class Placeholder {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

/** The values to bind, by name. */
type Values = Readonly<Record<string, string | number | Uint8Array>>

/**
 * Prepares a query. @param build makes it from `value.<name>`, which may stand wherever a value may.
 * @returns a function that runs it.
 */
export function prepareQuery<V extends Values, Row>(
  storage: Storage,
  build: (db: Database, value: V) => Compilable<Row>,
): (values: V) => Promise<Row[]> {
  // `as`: the compiler passes values on without looking at them.
  const placeholders = new Proxy({}, { get: (_, name) => new Placeholder(String(name)) }) as V
  const compiled = build(storage.db, placeholders).compile() as CompiledQuery<Row>
  const places = compiled.parameters.map((parameter) =>
    parameter instanceof Placeholder ? parameter.name : undefined,
  )
  const bind = (values: V) =>
    compiled.parameters.map((parameter, i) => (places[i] === undefined ? parameter : values[places[i]]))
  return (values) => storage.run<Row>(compiled, bind(values))
}
