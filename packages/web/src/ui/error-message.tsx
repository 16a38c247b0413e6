import { Alert, Anchor, List, Text } from '@mantine/core'
import { AlertIcon } from '@primer/octicons-react'
import { KeyholdError } from '../api.ts'
import { errorWords } from './messages.ts'

/** Errors of this application that have their words with them. */
export class ShownError extends Error {}

/** What went wrong and what to do next. Nothing when nothing did. */
export function ErrorMessage({ error }: { error: unknown }) {
  if (error === undefined || error === null) return null
  return (
    <Alert color="red" variant="light" role="alert" title={titleOf(error)} icon={<AlertIcon />}>
      {error instanceof KeyholdError ? <Details error={error} /> : null}
    </Alert>
  )
}

function titleOf(error: unknown): string {
  if (error instanceof ShownError) return error.message
  if (!(error instanceof KeyholdError)) return errorWords.unexpected
  return error.code.startsWith('network.') ? errorWords.unreachable : error.message
}

function Details({ error }: { error: KeyholdError }) {
  return (
    <>
      {error.errors.length > 0 && (
        <List size="sm" mb="xs">
          {error.errors.map(({ field, message }) => (
            <List.Item key={`${field} ${message}`}>
              <strong>{field}</strong>: {message}
            </List.Item>
          ))}
        </List>
      )}
      {error.traceId !== undefined && (
        <Text size="sm">
          <Anchor size="sm" href={`/errors/${error.code}`} target="_blank" underline="always" c="inherit">
            {errorWords.explain}
          </Anchor>
          {' · '}
          {errorWords.trace} <code>{error.traceId}</code>
        </Text>
      )}
    </>
  )
}

/** The message that an error has for one field of a form, or for an element of its list. */
export function fieldError(error: unknown, field: string): string | undefined {
  return error instanceof KeyholdError
    ? error.errors.find((one) => one.field === field || one.field.startsWith(`${field}[`))?.message
    : undefined
}
