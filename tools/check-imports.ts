// Checks the import rules on the packages, and on tools/planted-violation that every rule still fires.
import { readFileSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import { join } from 'node:path'
import { cruise, type ICruiseResult } from 'dependency-cruiser'
import { cruiseOptions, cryptoUsers, importRules } from './import-rules.ts'

const root = join(import.meta.dirname, '..')
const planted = join(import.meta.dirname, 'planted-violation')

/** Fewer modules than this mean that the tool has stopped understanding TypeScript, not that Keyhold has shrunk. */
const MODULES_MIN = 150

/** What is no import, and is searched for in the text of the server. */
const textRules = [
  {
    name: 'environment-is-read-in-config',
    pattern: /\bprocess\.env\b|\bprocess\[|from 'node:process'/,
    allowed: /^packages\/server\/src\/config\//,
  },
  {
    name: 'queries-are-in-stores',
    pattern: /\.(?:selectFrom|insertInto|updateTable|deleteFrom|mergeInto)\(/,
    // compose/ asks whether the database is new, and whether it answers.
    allowed: /[.]store[.]ts$|^packages\/server\/src\/(?:storage\/|compose\/)/,
  },
] as const

interface Violation {
  readonly rule: string
  readonly file: string
  readonly to: string
}

async function cruiseIn(baseDir: string): Promise<ICruiseResult> {
  const { output } = await cruise(['packages'], {
    ...cruiseOptions,
    baseDir,
    validate: true,
    ruleSet: { forbidden: [...importRules] },
    outputType: 'json',
  })
  return JSON.parse(String(output)) as ICruiseResult // `as`: what outputType json gives.
}

async function findViolations(baseDir: string): Promise<{ found: Violation[]; result: ICruiseResult }> {
  const result = await cruiseIn(baseDir)
  const found = result.summary.violations.map(({ rule, from, to, cycle }) => ({
    rule: rule.name,
    file: from,
    to: cycle ? cycle.map(({ name }) => name).join(' → ') : to,
  }))
  for await (const file of glob('packages/server/src/**/*.ts', { cwd: baseDir })) {
    const text = readFileSync(join(baseDir, file), 'utf8')
    for (const { name, pattern, allowed } of textRules) {
      const match = allowed.test(file) ? null : pattern.exec(text)
      if (match) found.push({ rule: name, file, to: match[0] })
    }
  }
  return { found, result }
}

/** What the files of tools/planted-violation say they violate, as `rule file`. */
async function planned(): Promise<Set<string>> {
  const plans = new Set<string>()
  for await (const file of glob('packages/**/*.ts', { cwd: planted })) {
    for (const [, rule] of readFileSync(join(planted, file), 'utf8').matchAll(/^\/\/ violates (\S+)$/gm))
      plans.add(`${rule} ${file}`)
  }
  return plans
}

const problems: string[] = []

const { found, result } = await findViolations(root)
for (const { rule, file, to } of found) {
  const comment = importRules.find(({ name }) => name === rule)?.comment
  problems.push(`${file}: ${to}\n    ${rule}${comment ? `: ${comment}` : ''}`)
}
if (result.summary.totalCruised < MODULES_MIN)
  problems.push(
    `only ${result.summary.totalCruised} modules were looked at: dependency-cruiser does not read TypeScript`,
  )
for (const file of Object.keys(cryptoUsers)) {
  const module = result.modules.find(({ source }) => source === file)
  if (!module?.dependencies.some(({ resolved }) => /^(?:node:)?crypto$/.test(resolved)))
    problems.push(
      `${file} may import node:crypto, but does not: take it off the list in tools/import-rules.ts`,
    )
}

const plans = await planned()
const fired = new Set((await findViolations(planted)).found.map(({ rule, file }) => `${rule} ${file}`))
for (const plan of plans) {
  if (!fired.has(plan)) problems.push(`planted violation did not fire: ${plan}`)
}
for (const one of fired) {
  if (!plans.has(one)) problems.push(`fired without being planted: ${one}`)
}
const names = [...importRules, ...textRules].map((rule) => rule.name)
for (const name of names) {
  if (![...plans].some((plan) => plan.startsWith(`${name} `)))
    problems.push(`the rule ${name} has no planted violation`)
}

if (problems.length > 0) {
  console.error(problems.join('\n'))
  process.exit(1)
}
console.log(
  `${result.summary.totalCruised} modules keep ${names.length} rules; ${fired.size} planted violations were found`,
)
