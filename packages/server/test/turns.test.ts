import { expect, test } from 'vitest'
import { Turns } from '../src/base/turns.ts'

test('so many at once and no more; a person has one turn; too many are refused; a failure gives its turn back', async () => {
  const turns = new Turns(2, 2)
  const started: string[] = []
  const ends = new Map<string, PromiseWithResolvers<void>>()
  const take = (person: string) => {
    const end = Promise.withResolvers<void>()
    ends.set(person, end)
    return turns.take(person, async () => {
      started.push(person)
      await end.promise
      return person
    })
  }
  const refused = { code: 'rate.limited' }
  const [a, b, c, d] = [take('a'), take('b'), take('c'), take('d')]
  expect(started).toEqual(['a', 'b'])
  await expect(turns.take('a', async () => {})).rejects.toMatchObject(refused)
  await expect(turns.take('c', async () => {})).rejects.toMatchObject(refused)
  await expect(turns.take('e', async () => {})).rejects.toMatchObject(refused)
  ends.get('a')!.resolve()
  expect(await a).toBe('a')
  ends.get('b')!.reject(new Error('broken'))
  await expect(b).rejects.toThrow('broken')
  expect(started).toEqual(['a', 'b', 'c', 'd'])
  for (const person of ['c', 'd']) ends.get(person)!.resolve()
  expect([await c, await d]).toEqual(['c', 'd'])
  expect(await turns.take('a', async () => 'again')).toBe('again')
})
