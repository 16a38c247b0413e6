import { format, inspect } from 'node:util'
import { serialize } from 'node:v8'
import { Secret } from '@keyhold/contract/secret'
import { describe, expect, test } from 'vitest'

const VALUE = 'canary-5f1d2c'
const text = new Secret(VALUE)
const bytes = new Secret<Uint8Array>(Buffer.from(VALUE))

/** The ways in which a value gets printed by accident. */
// biome-ignore lint/suspicious/noExplicitAny: code that prints by accident does not look at types.
const channels: Record<string, (secret: any) => unknown> = {
  'a template string': (secret) => `${secret}`,
  concatenation: (secret) => `is ${secret}`.concat(secret),
  'JSON.stringify': (secret) => JSON.stringify({ secret, list: [secret] }),
  'inspect with showHidden': (secret) =>
    inspect({ secret }, { showHidden: true, depth: null, getters: true }),
  'inspect without customInspect': (secret) => inspect({ secret }, { customInspect: false, depth: null }),
  'format %s %o %O %j': (secret) =>
    format('%s %o %O %j %d %i', secret, secret, secret, secret, secret, secret),
  entries: (secret) =>
    inspect([Object.entries(secret), Object.values(secret), Reflect.ownKeys(secret), JSON.stringify(secret)]),
  spread: (secret) => inspect({ ...secret, ...Object.assign({}, secret) }, { showHidden: true }),
  structuredClone: (secret) => inspect(structuredClone(secret), { showHidden: true }),
  'v8.serialize': (secret) => serialize(secret).toString('latin1'),
  'Error.cause': (secret) => inspect(new Error('failed', { cause: secret })) + new Error(secret).stack,
  'a Map and a Set': (secret) =>
    inspect(new Map([[secret, secret]]), { showHidden: true }) + inspect(new Set([secret])),
  'Array.join': (secret) => [secret, [secret]].join(),
  URLSearchParams: (secret) => new URLSearchParams({ secret }).toString(),
  'Buffer.from': (secret) => Buffer.from(secret).toString('latin1'),
  Number: (secret) => String(Number(secret)),
  'comparison with ==': (secret) => {
    // biome-ignore lint/suspicious/noDoubleEquals: == converts, and that is what is tried.
    return secret == VALUE ? VALUE : 'different'
  },
  'a property key': (secret) => inspect({ [secret]: 1 }),
}

describe('a Secret is not printed by accident', () => {
  test('all 18 channels are tried', () => {
    expect(Object.keys(channels)).toHaveLength(18)
  })
  test.each(Object.entries(channels))('%s', (_name, print) => {
    for (const secret of [text, bytes]) {
      const shown = String(print(secret))
      for (const form of [VALUE, Buffer.from(VALUE).toString('hex'), Buffer.from(VALUE).toString('base64')])
        expect(shown).not.toContain(form)
      // A Uint8Array prints as its bytes.
      expect(shown).not.toContain('99, 97, 110, 97, 114, 121')
      expect(shown).not.toContain('63 61 6e 61 72 79')
    }
  })

  test('a class with an ordinary field shows in nearly all of them, so they would be seen', () => {
    class Open {
      value = VALUE
      toString() {
        return this.value
      }
      get [Symbol.toPrimitive]() {
        return () => this.value
      }
    }
    const hidden = Object.entries(channels).filter(([, print]) => !String(print(new Open())).includes(VALUE))
    // A number never shows text.
    expect(hidden.map(([name]) => name)).toEqual(['Number'])
  })

  test('reveal gives the value back', () => {
    expect(text.reveal()).toBe(VALUE)
    expect(Buffer.from(bytes.reveal()).toString()).toBe(VALUE)
  })
})
