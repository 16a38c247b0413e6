import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { databases, newPostgresDatabase, type TestDatabase } from '../../packages/server/test/kit.ts'
import { freePort } from '../../tools/free-port.ts'
import { Terminal } from '../readme/terminal.ts'
import { startBrowser, totp } from './kit.ts'

/*
 * The first day of somebody who has the browser, and a terminal to paste into what the browser shows. The server, the
 * agent, ssh and keyhold are those that everybody runs.
 */

const root = join(import.meta.dirname, '../..')
const bin = join(root, 'packages/cli/bin')
const PASSWORD = 'the stoker of the first train'
// biome-ignore lint/suspicious/noTemplateCurlyInString: for the program
const PROGRAM =
  'const token = process.env.SHOP_TOKEN; console.log(`<${token}> has ${token.length} characters`)'
const TOKEN = 'canary-of-the-first-day'

/** Removed at the end. */
function directory(name: string): string {
  const path = mkdtempSync(join(tmpdir(), `keyhold-${name}-`))
  onTestFinished(() => rmSync(path, { recursive: true, force: true, maxRetries: 5 }))
  return path
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

/** @returns the link that a new server prints. */
async function startKeyhold(env: Record<string, string>): Promise<string> {
  const server = spawn(join(bin, 'keyhold'), ['server'], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  onTestFinished(() => end(server))
  let said = ''
  for await (const text of server.stderr) {
    said += text
    const [, link] = /(http:\S+#code=\S+)\s/.exec(said) ?? []
    if (link === undefined) continue
    server.stderr.resume()
    return link
  }
  throw new Error(`the server said ${said}`)
}

/** A machine: its environment, and terminals on it, in directories where `keyhold` and `npx keyhold` are. */
function machine(name: string, more: Record<string, string> = {}) {
  const home = directory(name)
  // What belongs to a login belongs to this machine: no two agents of this test's or another's meet.
  const runtime = directory(`${name}-run`)
  const env = {
    PATH: `${bin}:${process.env.PATH}`,
    HOME: home,
    XDG_RUNTIME_DIR: runtime,
    LANG: 'C.UTF-8',
    ...more,
  }
  const openTerminal = (at = root) => {
    const terminal = new Terminal(at, { ...env, npm_config_update_notifier: 'false' })
    onTestFinished(() => terminal.close())
    return terminal
  }
  return { home, env, openTerminal }
}

/** A machine whose person has a key. OpenSSH takes homes from the system's list of accounts: these are elsewhere. */
function laptopWithKey() {
  const laptop = machine('laptop')
  const ssh = join(laptop.home, '.ssh')
  mkdirSync(ssh, { mode: 0o700 })
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'ada@laptop', '-f', join(ssh, 'id')])
  const config = [
    `IdentityFile ${ssh}/id`,
    'IdentitiesOnly yes',
    'IdentityAgent none',
    `UserKnownHostsFile ${ssh}/known_hosts`,
  ]
  // As where Keyhold was installed with npm.
  symlinkSync(join(root, 'node_modules'), join(laptop.home, 'node_modules'))
  writeFileSync(join(ssh, 'config'), `${config.join('\n')}\n`)
  return { ...laptop, ssh }
}

async function startScene(database: TestDatabase) {
  const port = await freePort()
  const url = `http://localhost:${port}`
  const postgres = database === 'postgres' ? await newPostgresDatabase() : undefined
  if (postgres) onTestFinished(postgres.drop)
  const host = machine('host', {
    KEYHOLD_DATA_DIR: join(directory('data'), 'data'),
    KEYHOLD_HTTP_ADDR: `127.0.0.1:${port}`,
    KEYHOLD_PUBLIC_URL: url,
    KEYHOLD_SSH_ADDR: `127.0.0.1:${await freePort()}`,
    ...(postgres && { KEYHOLD_DATABASE_URL: postgres.url }),
  })
  const link = await startKeyhold(host.env)
  const browser = await startBrowser(url)
  onTestFinished(browser.stop)
  return { url, host, visit: await browser.visit(link.replace(url, '')) }
}

const go = (page: Page, name: string) =>
  page.getByRole('navigation', { name: 'Main navigation' }).getByRole('link', { name, exact: true }).click()

describe.each(databases)('the first day on %s', (database) => {
  test('in a browser alone, and a terminal for what it says: set-up, recovery kit, second factor, project, secret, access key, keyhold run, workspace, SSH key, the string pasted, Activity (F1, F43, KEY-13, SSH-14, SSH-15, SSH-21)', async () => {
    const { url, host, visit } = await startScene(database)
    const { page, copied, leave } = visit
    let onClipboard = ''
    const copy = async (name: string) => {
      await page.getByRole('button', { name, exact: true }).click()
      await expect.poll(copied).not.toBe(onClipboard)
      onClipboard = await copied()
      return onClipboard
    }

    await page.getByLabel('Your name').fill('Ada')
    await page.getByLabel('E-mail address').fill('ada@example.com')
    await page.getByRole('textbox', { name: 'Password', exact: true }).fill(PASSWORD)
    await page.getByRole('textbox', { name: 'The same password again' }).fill(PASSWORD)
    await page.getByRole('button', { name: 'Set up' }).click()

    // The root key never leaves its machine: its kit is shown there, and a part of it is typed back.
    const kitCommand = await copy('Copy command that makes the recovery kit')
    const onHost = host.openTerminal()
    await onHost.sees(/\]\] $/)
    onHost.start(kitCommand)
    const [kit, number] = await onHost.sees(/[\s\S]*line (\d+): /)
    onHost.type(`${new RegExp(`^ +${number} +(\\S+)$`, 'm').exec(kit)?.[1]}\r`)
    await onHost.sees(/the recovery kit is proven/)
    await page.getByRole('link', { name: 'Go to Keyhold' }).click()
    await page.getByRole('heading', { name: 'Home' }).waitFor()
    await page.getByText('Nothing needs you').waitFor()
    expect(await page.getByText('The root key has no recovery kit').count()).toBe(0)

    await go(page, 'Sign-in')
    await page.getByRole('button', { name: 'Turn on authenticator' }).click()
    const factor = page.getByRole('dialog', { name: 'Turn on authenticator' })
    await factor.getByRole('textbox', { name: 'Password' }).fill(PASSWORD)
    await factor.getByRole('button', { name: 'Next' }).click()
    const secret = await copy('Copy Secret of the authenticator')
    await factor.getByLabel('Code of the authenticator').fill(totp(secret, new Date()))
    await factor.getByRole('button', { name: 'Turn on authenticator' }).click()
    const codes = page.getByRole('dialog', { name: 'Your recovery codes' })
    const recoveryCodes = await copy('Copy Recovery codes')
    await codes.getByRole('button', { name: 'I have kept it' }).click()

    await go(page, 'Projects')
    await page.getByRole('button', { name: 'New Project' }).click()
    await page.getByRole('dialog').getByRole('textbox', { name: 'Name' }).fill('shop')
    await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click()
    await page.getByRole('button', { name: 'Add Secret' }).click()
    const add = page.getByRole('dialog', { name: 'Add secret' })
    await add.getByRole('textbox', { name: 'Name' }).fill('SHOP_TOKEN')
    await add.getByRole('textbox', { name: 'Value' }).fill(TOKEN)
    await add.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('button', { name: 'SHOP_TOKEN in All: version 1' }).waitFor()

    await go(page, 'Access Keys')
    await page.getByRole('button', { name: 'New Access Key' }).click()
    const key = page.getByRole('dialog', { name: 'New access key' })
    await key.getByRole('radio', { name: 'Read', exact: true }).check()
    await key.getByRole('button', { name: 'Create' }).click()
    const laptop = laptopWithKey()
    const onLaptop = laptop.openTerminal(laptop.home)
    const saving = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Download' }).click()
    const file = await saving
    await file.saveAs(join(laptop.home, file.suggestedFilename()))
    const run = await copy('Copy command that starts a program with its secrets')
    await page.getByRole('button', { name: 'I have kept it' }).click()
    writeFileSync(join(laptop.home, 'app.js'), PROGRAM)
    const ran = await onLaptop.run(run)
    expect(ran).toEqual({ code: 0, output: `<> has ${TOKEN.length} characters\n` })
    expect(onLaptop.everything).not.toContain(TOKEN)

    await go(page, 'Workspaces')
    await page.getByRole('button', { name: 'New Workspace' }).click()
    await page.getByRole('dialog').getByRole('textbox', { name: 'Name' }).fill('api')
    await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click()
    await page.getByRole('link', { name: 'Let a machine be it' }).click()
    await page.getByRole('button', { name: 'New Enrollment Token' }).click()
    const box = machine('box')
    const onBox = box.openTerminal(box.home)
    const save = await copy('Copy command that keeps the token')
    await onBox.sees(/\]\] $/)
    onBox.start(save)
    await onBox.sees(/token\)\n/)
    onBox.type(`${await copy('Copy Enrollment token')}\r\x04`)
    await onBox.sees(/\[\[0\]\] $/)
    onBox.start(await copy('Copy command that starts the agent'))
    await onBox.sees(/connected to/)
    await page.getByRole('button', { name: 'I have kept it' }).click()
    await page.getByText('Running').waitFor()

    await page.getByRole('link', { name: 'Linked environments' }).click()
    await page.getByRole('button', { name: 'Link Environment' }).click()
    const link = page.getByRole('dialog', { name: 'Link environment' })
    await link.getByRole('button', { name: 'Link Environment' }).click()
    await page.getByRole('rowheader', { name: 'shop/All' }).waitFor()

    await go(page, 'Security')
    await page.getByRole('button', { name: 'Add SSH key' }).click()
    const sshKey = page.getByRole('dialog', { name: 'Add SSH key' })
    await sshKey.getByLabel('Public key').fill(readFileSync(join(laptop.ssh, 'id.pub'), 'utf8'))
    await sshKey.getByRole('button', { name: 'Add', exact: true }).click()
    await page.getByRole('rowheader', { name: 'ada@laptop' }).waitFor()

    await go(page, 'Workspaces')
    await page.getByRole('rowheader', { name: 'api' }).getByRole('link').click()
    await page.getByRole('row', { name: '$SHOP_TOKEN' }).getByText('version 1', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Open in editor' }).click()
    await page.getByRole('menuitem', { name: 'Connect via SSH' }).click()
    const modal = page.getByRole('dialog', { name: 'Connect via SSH' })
    const fingerprints = await modal.getByText(/^SHA256:/).allTextContents()
    expect(fingerprints).toHaveLength(2)
    const command = await copy('Copy command')
    expect(command).toMatch(new RegExp(`^ssh -J localhost:\\d+ ${userInfo().username}@ws-[0-9a-z]+$`))
    await page.keyboard.press('Escape')
    await onLaptop.run(`ssh() { command ssh -F ${laptop.ssh}/config "$@"; }`)
    await onLaptop.sees(/\]\] $/)
    onLaptop.start(command)
    // Both hops ask whether it is really them: the answer is what the browser shows.
    for (const fingerprint of fingerprints) {
      await onLaptop.sees(/fingerprint\]\)\? $/)
      onLaptop.start(fingerprint)
    }
    await onLaptop.sees(/[$#] /)
    onLaptop.start('echo "here: ${#SHOP_TOKEN} of $(printenv SHOP_TOKEN | tr a-z A-Z)"; exit 3')
    await onLaptop.sees(new RegExp(`here: ${TOKEN.length} of ${TOKEN.toUpperCase()}\n`))
    await onLaptop.sees(/\[\[3\]\] $/)

    await go(page, 'Activity')
    // The page has only the rows that are in sight: here all of the day.
    await page.setViewportSize({ width: 1280, height: 8_000 })
    for (const line of [
      'Instance set up',
      'Recovery kit made',
      'Recovery kit proven',
      'Second factor turned on',
      'Project created: shop',
      'Secret created: SHOP_TOKEN',
      'Access key created',
      'Secret accessed: SHOP_TOKEN',
      'Workspace created: api',
      'Enrollment token made',
      'Agent enrolled',
      'SSH key added',
      'SSH connection',
    ])
      await page.getByRole('button', { name: line }).first().waitFor()

    // The next morning, without the authenticator.
    await page.getByRole('button', { name: 'Account' }).click()
    await page.getByRole('menuitem', { name: 'Sign out' }).click()
    await page.getByLabel('E-mail address').fill('ada@example.com')
    await page.getByRole('textbox', { name: 'Password' }).fill(PASSWORD)
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page
      .getByLabel('Code of your authenticator, or a recovery code')
      .fill(recoveryCodes.split('\n')[0]!)
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page.getByRole('heading', { name: 'Home' }).waitFor()
    expect(page.url()).toBe(`${url}/`)
    await leave()
  })
})
