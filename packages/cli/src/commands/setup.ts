import { hostname } from 'node:os'
import { Keyhold } from '@keyhold/sdk'
import { becomeServer } from '../become-server.ts'
import { explained, userAgent } from '../client.ts'
import { defineCommand } from '../command.ts'
import { readSettings } from '../connection.ts'
import { assertSameInstance, prepareCredentials, readCredentials } from '../credentials.ts'
import { Failure, usageFailure } from '../failure.ts'
import { refusePlainHttp } from '../http.ts'
import type { Terminal } from '../terminal.ts'
import { askNewPassword } from './account/new-password.ts'

/** Answered with no, it is asked for by the log, the health check and `keyhold admin status`. */
const KIT_QUESTION = 'put the root key on paper now? Without it nobody can read anything.'

const DEFAULT_URL = 'http://localhost:8080'

export const command = defineCommand({
  usage: '[--email=EMAIL] [--name=NAME] [--url=URL] [--answers-stdin]',
  description:
    'Makes the first administrator of a new instance, with the one-time code that the server printed when it started. An access\n' +
    'token for this machine is made with it and stored, so that the other commands work at once.',
  options: {
    url: {
      type: 'string',
      placeholder: 'URL',
      summary: `where Keyhold is; default: where the link leads that is pasted, else ${DEFAULT_URL}`,
      variable: 'KEYHOLD_URL',
    },
    email: { type: 'string', placeholder: 'EMAIL', summary: 'your e-mail address' },
    name: { type: 'string', placeholder: 'NAME', summary: 'your name' },
    'answers-stdin': {
      type: 'boolean',
      summary: 'take the one-time code and the password from standard input, a line each',
    },
  },
  examples: [
    {
      does: 'set up; code and password are asked for',
      command: 'keyhold setup --email=ada@example.com --name=Ada',
    },
    {
      does: 'set up in a script',
      command: 'cat code-and-password | keyhold setup --email=ada@example.com --name=Ada --answers-stdin',
    },
  ],
  async run({ options, env, terminal }) {
    if (options['answers-stdin'] && (options.email === undefined || options.name === undefined)) {
      throw usageFailure('--answers-stdin needs --email and --name as well')
    }
    const named = options.url ?? readSettings(env).url
    // Where nobody says which server it is, the link does, and is asked for first.
    const first = named !== undefined ? undefined : await firstAnswer(terminal, options['answers-stdin'])
    const url = named ?? (first && addressOf(first.typed)) ?? DEFAULT_URL
    refusePlainHttp(new URL(url))
    assertSameInstance(env, readCredentials(env), url)
    await explained(async () => {
      const keyhold = new Keyhold({ url }, { userAgent })
      const { isDone } = await keyhold.call('setup.get')
      if (isDone) {
        throw new Failure('this instance is already set up (setup.done)', {
          hints: [
            'sign in: keyhold login',
            "no password at hand: on the server's machine, keyhold admin create-token --email=E --name=N, then set KEYHOLD_URL and KEYHOLD_TOKEN",
          ],
        })
      }
      const email = options.email ?? terminal.ask('your e-mail address:', '--email').trim()
      const name = options.name ?? terminal.ask('your name:', '--name').trim()
      const { typed, password = await askNewPassword(terminal, '') } =
        first ?? (await firstAnswer(terminal, options['answers-stdin']))
      const code = codeOf(typed)
      // First of all, so that the token is not answered and then lost.
      const credentials = prepareCredentials(env)
      let token: string | undefined
      try {
        const answer = await keyhold.call('setup.create', {
          body: { code, email, name, password, accessTokenName: `keyhold on ${hostname()}`.slice(0, 100) },
        })
        token = answer.accessToken
        if (token === undefined) throw new Failure('the server made no access token')
      } catch (error) {
        credentials.abandon()
        throw error
      }
      try {
        credentials.commit({ url: keyhold.url, token })
      } catch {
        terminal.print(token)
        throw new Failure(
          `${credentials.path} could not be written, so the access token is on standard output`,
          {
            hints: ['the instance is set up; keep the token and set KEYHOLD_TOKEN to it'],
          },
        )
      }
      terminal.note(`${keyhold.url} is set up, and ${email} is its administrator`)
      terminal.note(`this machine is signed in: ${credentials.path}`)
      terminal.hint('next: keyhold project create NAME')
    })
    // On the server's own machine: no route gives the root key out.
    const isHere = ['localhost', '127.0.0.1', '[::1]'].includes(new URL(url).hostname)
    if (!options['answers-stdin'] && isHere && terminal.confirm(KIT_QUESTION))
      becomeServer(['admin', 'recovery-kit', 'create'], env)
    terminal.hint(
      "on the server's machine: keyhold admin recovery-kit create, so that its root key cannot be lost",
    )
  },
})

interface FirstAnswer {
  /** The code, or the link with it. */
  readonly typed: string
  readonly password?: string
}

async function firstAnswer(terminal: Terminal, isFromInput: boolean): Promise<FirstAnswer> {
  if (isFromInput) return answersOf(terminal.readInput(4_096))
  return { typed: await terminal.askSecret('the link or one-time code that the server printed:') }
}

function answersOf(bytes: Uint8Array): Required<FirstAnswer> {
  const [code = '', password = '', ...more] = new TextDecoder()
    .decode(bytes)
    .replace(/\r?\n$/, '')
    .split(/\r?\n/)
  if (code.trim() === '' || password === '' || more.length > 0) {
    throw usageFailure('standard input does not have two lines: the one-time code, and the password')
  }
  return { typed: code, password }
}

/** The server prints a link with the code after `#code=`; all of it may be given. */
const codeOf = (typed: string): string => typed.trim().replace(/^.*#code=/, '')

/** The server that printed the link; undefined of a code alone. */
function addressOf(typed: string): string | undefined {
  const link = typed.trim()
  // Looked at before it is read: the error of `new URL` quotes its input.
  if (!link.includes('#code=') || !URL.canParse(link)) return undefined
  const { protocol, host, pathname } = new URL(link)
  return `${protocol}//${host}${pathname.replace(/\/setup\/?$/, '')}`
}
