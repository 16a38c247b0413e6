import { Email, Name } from '@keyhold/contract/api/shapes'
import { limits } from '@keyhold/contract/limits'
import { Secret } from '@keyhold/contract/secret'
import { AppError } from '../base/app-error.ts'
import type { Core } from '../compose/core.ts'
import { type AdminCommand, operator, withCore } from './command.ts'
import { print, say, UsageError } from './output.ts'

const text = { type: 'string' } as const
const flag = { type: 'boolean' } as const

export const createUser: AdminCommand = {
  usage: 'create-user --email E --name N [--admin] --password-stdin',
  summary: 'make an account; the password is read from standard input',
  options: { email: text, name: text, admin: flag, 'password-stdin': flag },
  async run(given) {
    const email = readEmail(given.email, this.usage)
    const name = readName(given.name, this.usage)
    if (!given['password-stdin'])
      throw new UsageError('the password is read from stdin: give --password-stdin')
    const password = await readPassword()
    await withCore(async ({ accounts }) => {
      const role = given.admin ? 'admin' : 'member'
      const account = await accounts.create(operator('create-user'), { email, name, role, password })
      say(`created ${account.role} ${account.email}\n`)
    })
  },
}

export const createToken: AdminCommand = {
  usage: 'create-token --email E --name N',
  summary: "make an access token of all its owner's rights, and print it",
  options: { email: text, name: text },
  async run(given) {
    const email = readEmail(given.email, this.usage)
    const name = readName(given.name, this.usage)
    await withCore(async (core) => {
      const account = await findAccount(core, email)
      const { token } = await core.accessTokens.create(operator('create-token'), account.id, {
        name,
        scopes: null,
        expiresAt: null,
      })
      print(`${token.reveal()}\n`)
    })
  },
}

export const resetSecondFactor: AdminCommand = {
  usage: 'reset-second-factor --email E',
  summary: 'let a person sign in with the password alone',
  options: { email: text },
  async run(given) {
    const email = readEmail(given.email, this.usage)
    await withCore(async (core) => {
      const account = await findAccount(core, email)
      await core.secondFactors.reset(operator('reset-second-factor'), account.id)
      say(`${account.email} signs in with the password alone\n`)
    })
  },
}

async function findAccount({ accounts }: Core, email: string) {
  const account = await accounts.findByEmail(email)
  if (!account) throw new AppError('account.not_found')
  return account
}

function readEmail(given: string | boolean | undefined, usage: string): string {
  if (typeof given !== 'string' || given === '') throw new UsageError(`usage: keyhold admin ${usage}`)
  if (!fits(Email, given)) throw new UsageError('--email is no e-mail address')
  return given
}

function readName(given: string | boolean | undefined, usage: string): string {
  if (typeof given !== 'string' || given === '') throw new UsageError(`usage: keyhold admin ${usage}`)
  if (!fits(Name, given))
    throw new UsageError(
      `--name must have 1 to ${limits.nameLength} characters, none of them control characters`,
    )
  return given
}

/** Whether text keeps to a string of the contract, as it would have to over HTTP. */
function fits(schema: object, typed: string): boolean {
  // `as`: strings of the contract say no more than this.
  const { minLength, maxLength, pattern } = schema as {
    minLength: number
    maxLength: number
    pattern: string
  }
  return typed.length >= minLength && typed.length <= maxLength && new RegExp(pattern, 'u').test(typed)
}

/** The first line of stdin. */
async function readPassword(): Promise<Secret<string>> {
  let typed = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    typed += chunk
    if (typed.includes('\n')) break
  }
  const [password = ''] = typed.split(/\r?\n/)
  const { passwordLengthMin: min, passwordLengthMax: max } = limits
  if (password.length < min || password.length > max)
    throw new UsageError(`the password must have ${min} to ${max} characters`)
  return new Secret(password)
}
