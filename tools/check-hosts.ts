// Checks that nothing committed depends on where one developer's packages came from: the lock file names packages by
// their integrity alone, and no file names a mirror.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const problems: string[] = []

interface LockedPackage {
  readonly resolved?: string
  readonly integrity?: string
  readonly link?: boolean
  readonly optional?: boolean
  readonly cpu?: readonly string[]
}

// `as`: the format of npm, lockfileVersion 3.
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, LockedPackage>
}
for (const [path, { resolved, integrity, link, optional, cpu }] of Object.entries(lock.packages)) {
  if (resolved?.includes('://')) problems.push(`package-lock.json: ${path} is resolved to a host`)
  // Binaries for platforms on which nobody has run `npm install` yet may lack it; npm wants them listed all the same.
  const isForOtherPlatform = optional && cpu !== undefined
  if (path.startsWith('node_modules/') && !link && !integrity && !isForOtherPlatform)
    problems.push(`package-lock.json: ${path} has no integrity`)
}

/** Names of hosts and settings that serve packages. */
const MIRROR =
  /https?:\/\/[^\s/'"]*\b(?:registry|mirror|artifactory|nexus|verdaccio|jfrog|proxy)\b[^\s/'"]*|^\s*(?:@[^:\s]+:)?registry\s*=/im

const files = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' })
  .split('\0')
  .filter(Boolean)
for (const file of files) {
  if (file === 'tools/check-hosts.ts') continue
  let text: string
  try {
    text = readFileSync(join(root, file), 'utf8')
  } catch {
    continue // Deleted, but not committed yet.
  }
  const found = MIRROR.exec(text)?.[0]
  if (found) problems.push(`${file}: ${found.trim()} names a mirror of packages`)
}

if (problems.length > 0) {
  console.error(problems.join('\n'))
  process.exit(1)
}
console.log(`${files.length} files name no mirror; ${Object.keys(lock.packages).length} packages are locked`)
