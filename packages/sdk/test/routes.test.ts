import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { renderSdkRoutes } from '../generate-routes.ts'

test('the committed routes are those of the contract', () => {
  const committed = readFileSync(new URL('../src/routes.gen.ts', import.meta.url), 'utf8')
  expect(committed).toBe(renderSdkRoutes())
})

test('at run time the SDK imports nothing but itself', () => {
  for (const file of [
    'sdk',
    'base64',
    'cache',
    'connection',
    'delivered-secret',
    'environment',
    'error',
    'event-stream',
    'retry',
    'route-types',
    'routes.gen',
    'transport',
    'watch',
  ]) {
    const source = readFileSync(new URL(`../src/${file}.ts`, import.meta.url), 'utf8')
    const imports = [...source.matchAll(/^(import|export)(?! type)[^;\n]*? from '([^']+)'/gm)].map(
      (found) => found[2],
    )
    expect(imports.filter((from) => !from?.startsWith('./'))).toEqual([])
  }
})
