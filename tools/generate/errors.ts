import { errors } from '@keyhold/contract/errors'
import { code, page, table } from './markdown.ts'

/** The index of error codes; each links to its page. */
export function renderErrors(): string {
  return page(
    '# Error codes',
    'Every error is a body of `application/problem+json` (RFC 9457). `code` is one of these and never changes its meaning;\n' +
      '`title` is the text below; `type` is the address of the page on your own instance, `/errors/<code>`; `traceId` is\n' +
      "also in the server's log and in the audit record. `errors` names the fields of a request that are not valid, never what was in\n" +
      'them.',
    table(
      ['Code', 'Status', 'Title'],
      Object.entries(errors).map(([name, { status, title }]) => [
        `[${code(name)}](../errors/${name}.md)`,
        String(status),
        title,
      ]),
    ),
  )
}
