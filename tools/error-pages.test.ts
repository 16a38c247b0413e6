import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { errors } from '@keyhold/contract/errors'
import { describe, expect, test } from 'vitest'

const folder = join(import.meta.dirname, '../docs/errors')
const pages = readdirSync(folder).map((file) => file.replace(/\.md$/, ''))

test('every error code has a page, and every page has a code', () => {
  expect(pages.sort()).toEqual(Object.keys(errors).sort())
})

describe.each(Object.entries(errors))('the page of %s', (code, { status, title }) => {
  const page = readFileSync(join(folder, `${code}.md`), 'utf8')

  test('begins with what the error says', () => {
    expect(page.startsWith(`# ${code}\n\n> ${title} (status ${status})\n`)).toBe(true)
  })

  test('says what happened, why, and what to do', () => {
    const headings = [...page.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)
    expect(headings).toEqual(['What happened', 'Why', 'What to do'])
  })

  test('links to pages that are there', () => {
    for (const [, link] of page.matchAll(/\]\(([^)#]+)/g)) {
      expect(() => readFileSync(join(dirname(join(folder, code)), link!))).not.toThrow()
    }
  })
})
