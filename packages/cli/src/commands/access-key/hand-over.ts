import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { codeOf, Failure } from '../../failure.ts'
import type { Terminal } from '../../terminal.ts'

export const outputOption = {
  type: 'string',
  short: 'o',
  placeholder: 'FILE',
  summary: 'write them into this new file, which only you can read, and not to the terminal',
} as const

/**
 * Gets a key made and hands it over the one time that it is shown. The file is made before the request: a key that
 * cannot be written down must not come into being, or an old one be replaced by it.
 *
 * @param url goes with them, so that a machine that is given these lines needs nothing else
 */
export async function handOver<
  Answer extends { readonly accessKey: { readonly id: string }; readonly secret: string },
>(
  terminal: Terminal,
  path: string | undefined,
  isJson: boolean,
  url: string,
  make: () => Promise<Answer>,
): Promise<Answer> {
  const file = path === undefined ? undefined : newFile(path)
  let answer: Answer
  try {
    answer = await make()
  } catch (error) {
    if (file !== undefined && path !== undefined) {
      closeSync(file)
      rmSync(path, { force: true })
    }
    throw error
  }
  const text = `KEYHOLD_URL=${url}\nKEYHOLD_ACCESS_KEY_ID=${answer.accessKey.id}\nKEYHOLD_ACCESS_KEY=${answer.secret}\n`
  if (file === undefined || path === undefined) {
    if (isJson) terminal.printJson(answer)
    else terminal.print(text.trimEnd())
  } else {
    try {
      writeSync(file, text)
      fsyncSync(file)
      closeSync(file)
      terminal.note(
        `${path} has what a machine needs: KEYHOLD_URL, KEYHOLD_ACCESS_KEY_ID and KEYHOLD_ACCESS_KEY`,
      )
    } catch (error) {
      // The disk is full. The key exists and is shown nowhere else, so it is better on the terminal than lost.
      terminal.note(`${path} cannot be written (${codeOf(error)}), so here is the key`)
      terminal.print(text.trimEnd())
    }
  }
  terminal.note('the access key is shown this once; keep it where secrets are kept, and do not share it')
  return answer
}

function newFile(path: string): number {
  try {
    // 'wx': not into a file that somebody prepared, and not over one that is needed.
    return openSync(path, 'wx', 0o600)
  } catch (error) {
    const code = codeOf(error)
    throw new Failure(
      code === 'EEXIST'
        ? `${path} exists already; nothing was done`
        : `${path} cannot be written (${code}); nothing was done`,
    )
  }
}
