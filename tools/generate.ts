// `npm run generate`: writes everything that is made from code. `--check` compares instead, and fails on a difference.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { renderReference } from '../packages/cli/src/reference.ts'
import { renderSdkRoutes } from '../packages/sdk/generate-routes.ts'
import serverPackage from '../packages/server/package.json' with { type: 'json' }
import { openapi } from '../packages/server/src/http/openapi.ts'
import { renderApi } from './generate/api.ts'
import { renderConfiguration } from './generate/configuration.ts'
import { renderErrors } from './generate/errors.ts'
import { renderLimits } from './generate/limits.ts'

const root = join(import.meta.dirname, '..')

const notice = '<!-- Made by `npm run generate`; do not edit. -->\n\n'

const files: Readonly<Record<string, string>> = {
  'docs/reference/openapi.json': `${JSON.stringify(openapi(serverPackage.version), null, 2)}\n`,
  'docs/reference/api.md': notice + renderApi(),
  'docs/reference/configuration.md': notice + renderConfiguration(),
  'docs/reference/cli.md': notice + (await renderReference()),
  'docs/reference/errors.md': notice + renderErrors(),
  'docs/reference/limits.md': notice + renderLimits(),
  'packages/sdk/src/routes.gen.ts': renderSdkRoutes(),
}

function committed(path: string): string | undefined {
  try {
    return readFileSync(join(root, path), 'utf8')
  } catch {
    return undefined
  }
}

const outdated = Object.keys(files).filter((path) => committed(path) !== files[path])

if (process.argv.includes('--check')) {
  if (outdated.length > 0) {
    console.error(`Not what the code says any more: ${outdated.join(', ')}\nRun: npm run generate`)
    process.exit(1)
  }
  console.log(`${Object.keys(files).length} generated files are up to date`)
} else {
  for (const path of outdated) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), files[path]!) // `!`: a key of files.
    console.log(`wrote ${path}`)
  }
}
