// Stands where git expects `gpg` or `ssh-keygen`: has what git wants signed be signed by Keyhold, and leaves everything
// else to the real program. What the workspace agent does, as small as can be.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'

const [kind, ...args] = process.argv.slice(2)
const isSigning =
  kind === 'gpg' ? args.some((arg) => /^-[a-z]*s/.test(arg)) : args[args.indexOf('-Y') + 1] === 'sign'
if (!isSigning) {
  const { status } = spawnSync(kind === 'gpg' ? 'gpg' : 'ssh-keygen', args, { stdio: 'inherit' })
  process.exit(status ?? 1)
}
const file = args.at(-1)
const content = readFileSync(kind === 'gpg' ? 0 : file)
const answer = await fetch(`${process.env.KEYHOLD_E2E_SIGNER}/${kind}`, { method: 'POST', body: content })
if (!answer.ok) process.exit(1)
const signature = await answer.text()
if (kind === 'ssh') writeFileSync(`${file}.sig`, signature)
else {
  process.stdout.write(signature)
  process.stderr.write('\n[GNUPG:] SIG_CREATED \n')
}
