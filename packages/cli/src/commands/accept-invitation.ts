import { hostname } from 'node:os'
import { limits } from '@keyhold/contract/limits'
import { Keyhold } from '@keyhold/sdk'
import { explained, userAgent } from '../client.ts'
import { defineCommand } from '../command.ts'
import { assertSameInstance, prepareCredentials, readCredentials } from '../credentials.ts'
import { Failure, usageFailure } from '../failure.ts'
import type { Terminal } from '../terminal.ts'
import { askNewPassword, PASSWORD_DEADLINE_MS } from './account/new-password.ts'

export const command = defineCommand({
  usage: '[--name=NAME] [--answers-stdin]',
  description:
    'Makes your account with the link that you were sent, and signs this machine in. The link is asked for and not shown: it is\n' +
    'as good as a password until it was used.',
  options: {
    name: { type: 'string', placeholder: 'NAME', summary: 'your name' },
    'answers-stdin': {
      type: 'boolean',
      summary: 'take the link and the new password from standard input, a line each',
    },
  },
  examples: [
    { does: 'make your account; link and password are asked for', command: 'keyhold accept-invitation' },
  ],
  async run({ options, env, terminal }) {
    const isScript = options['answers-stdin']
    if (isScript && options.name === undefined) throw usageFailure('--answers-stdin needs --name as well')
    await explained(async () => {
      const given = isScript
        ? answersOf(terminal.readInput(4_096))
        : { ...linkOf(await terminal.askSecret('the link that you were sent:')), password: undefined }
      const { url, token } = given
      assertSameInstance(env, readCredentials(env), url)
      const keyhold = new Keyhold({ url }, { userAgent, deadlineMs: PASSWORD_DEADLINE_MS })
      const found = await keyhold.call('invitation.find', { body: { token }, ...{ confidential: [token] } })
      terminal.note(`${found.invitedBy} invites ${found.email} to ${keyhold.url}`)
      const name = options.name ?? terminal.ask('your name:', '--name').trim()
      const password = given.password ?? (await askNewPassword(terminal, ''))
      await accept(keyhold, { token, name, password }, env, terminal)
    })
  },
})

async function accept(
  keyhold: Keyhold,
  { token, name, password }: { token: string; name: string; password: string },
  env: NodeJS.ProcessEnv,
  terminal: Terminal,
): Promise<void> {
  // First of all, so that the access token is not answered and then lost.
  const credentials = prepareCredentials(env)
  try {
    const { account, accessToken } = await keyhold.call('invitation.accept', {
      body: {
        token,
        name,
        password,
        accessTokenName: `keyhold on ${hostname()}`.slice(0, limits.nameLength),
      },
      ...{ confidential: [token, password] },
    })
    if (accessToken === undefined) throw new Failure('the server made no access token')
    const hints = ['your account is there: sign in with keyhold login --password']
    try {
      credentials.commit({ url: keyhold.url, token: accessToken })
    } catch {
      throw new Failure(`${credentials.path} could not be written; you are not signed in`, { hints })
    }
    terminal.note(
      `${account.name} (${account.email}) has an account, and this machine is signed in: ${credentials.path}`,
    )
    terminal.hint('next: keyhold project list')
  } finally {
    credentials.abandon()
  }
}

function answersOf(bytes: Uint8Array): { url: string; token: string; password: string } {
  const [link = '', password = '', ...more] = new TextDecoder()
    .decode(bytes)
    .replace(/\r?\n$/, '')
    .split(/\r?\n/)
  if (link.trim() === '' || password === '' || more.length > 0)
    throw usageFailure('standard input does not have two lines: the link, and the new password')
  return { ...linkOf(link), password }
}

/** What was typed is not repeated: it is as good as a password. */
function linkOf(typed: string): { url: string; token: string } {
  const match = /^(\S+?)\/*\/invite#token=(kh_inv_\w+)$/.exec(typed.trim())
  const [, url, token] = match ?? []
  if (url === undefined || token === undefined || !URL.canParse(url))
    throw usageFailure('that is not a link of an invitation', 'all of it is wanted, from https:// to its end')
  return { url, token }
}
