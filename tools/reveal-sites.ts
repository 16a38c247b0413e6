// Keeps tools/reveal-sites.txt, the list of files that take a value out of its Secret, and how often each does. A new one
// changes the list, and so somebody looks at it. `--check` only compares.
import { readFileSync, writeFileSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const list = join(import.meta.dirname, 'reveal-sites.txt')

const lines: string[] = []
for await (const file of glob('packages/*/src/**/*.{ts,tsx}', { cwd: root })) {
  const code = readFileSync(join(root, file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
  const count = code.split(/\.\s*reveal\s*\(/).length - 1
  if (count > 0) lines.push(`${count} ${file}`)
}
lines.sort((a, b) => (a.slice(a.indexOf(' ')) < b.slice(b.indexOf(' ')) ? -1 : 1))
const actual = `${lines.join('\n')}\n`

if (process.argv.includes('--check')) {
  const listed = readFileSync(list, 'utf8')
  if (listed === actual) {
    console.log(`${lines.length} files call .reveal(, as listed`)
  } else {
    const isIn = (text: string, line: string) => text.split('\n').includes(line)
    for (const line of listed.trim().split('\n')) if (!isIn(actual, line)) console.error(`- ${line}`)
    for (const line of lines) if (!isIn(listed, line)) console.error(`+ ${line}`)
    console.error(
      'The calls of .reveal( are not those of tools/reveal-sites.txt. Is each new one the last line that',
    )
    console.error('handles the value? Then run: node tools/reveal-sites.ts')
    process.exit(1)
  }
} else {
  writeFileSync(list, actual)
}
