import { describe, expect, test } from 'vitest'
import { nameWarning, nearMatches, refusedName, SECRET_NAME } from '../src/names.ts'

const good = [
  'GITHUB_TOKEN',
  'DATABASE_URL',
  'STRIPE_API_KEY',
  'AWS_SECRET_ACCESS_KEY',
  'DB_PASSWORD',
  'NPM_TOKEN',
]

describe('names that are refused', () => {
  test('SEC-8: the form is letters, digits and _, not starting with a digit', () => {
    for (const name of ['', '1A', 'A-B', 'A B', 'A=B', 'A\n', 'A\0', '../A', 'ä', 'A.B', ' A', '\uFF21']) {
      expect(refusedName(name)?.reason, JSON.stringify(name)).toBe('form')
      expect(SECRET_NAME.test(name), JSON.stringify(name)).toBe(false)
    }
    for (const name of ['_', 'a', 'A1', '_A', 'a_b_C9', ...good])
      expect(refusedName(name), name).toBeUndefined()
  })

  test('SEC-8: 256 bytes is the longest name', () => {
    expect(refusedName('A'.repeat(256))).toBeUndefined()
    expect(refusedName('A'.repeat(257))?.reason).toBe('form')
  })

  test('SEC-8: names of the system and the shell, in any case', () => {
    const reserved = `PATH HOME SHELL USER LOGNAME PWD OLDPWD LANG TERM IFS CDPATH ENV BASH_ENV TMPDIR TMP TEMP HOSTNAME
      SSH_AUTH_SOCK SSH_CLIENT SSH_CONNECTION SSH_TTY EDITOR VISUAL PAGER XDG_CONFIG_HOME XDG_DATA_HOME XDG_CACHE_HOME
      XDG_STATE_HOME XDG_RUNTIME_DIR XDG_DATA_DIRS XDG_CONFIG_DIRS GIT_ANYTHING LC_ALL LD_ANYTHING DYLD_ANYTHING`
    for (const name of reserved.split(/\s+/)) {
      expect(refusedName(name)?.reason, name).toMatch(/reserved|loader/)
      if (name !== 'TMP' && name !== 'TEMP')
        expect(refusedName(name.toLowerCase())?.reason, name).toMatch(/reserved|loader/)
    }
  })

  test('R4: whoever writes a secret cannot make its reader load or run something', () => {
    const hooks = `LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT DYLD_INSERT_LIBRARIES NODE_OPTIONS NODE_PATH PYTHONPATH PYTHONHOME
      PYTHONSTARTUP PERL5OPT PERL5LIB RUBYOPT RUBYLIB JAVA_TOOL_OPTIONS _JAVA_OPTIONS JDK_JAVA_OPTIONS GIT_SSH_COMMAND
      GCONV_PATH PROMPT_COMMAND SHELLOPTS BASHOPTS BASH_FUNC_ls PS4 LESSOPEN BASH_ENV ENV ZDOTDIR NODE_EXTRA_CA_CERTS`
    for (const name of hooks.split(/\s+/)) expect(refusedName(name)?.reason, name).toBe('loader')
    expect(refusedName('LD_PRELOAD')?.message).toContain('LD_PRELOAD')
  })

  test('our own variables cannot be set by a secret', () => {
    expect(refusedName('KEYHOLD_TOKEN')?.reason).toBe('own')
    expect(refusedName('keyhold_url')?.reason).toBe('own')
  })
})

test('SEC-9: names that say nothing are warned about, good names are not', () => {
  for (const name of ['secret123', 'key', 'password1', 'temp', 'A', 'MY_SECRET', 'API_KEY']) {
    expect(refusedName(name), name).toBeUndefined()
    expect(nameWarning(name), name).toContain(name)
  }
  for (const name of good) expect(nameWarning(name), name).toBeUndefined()
})

describe('near matches', () => {
  test('case and separators come first, then slips of the keys', () => {
    const names = ['GITHUB_TOKEN', 'GITLAB_TOKEN', 'DATABASE_URL', 'github_token']
    expect(nearMatches('GitHub-Token', names)).toEqual(['GITHUB_TOKEN', 'github_token', 'GITLAB_TOKEN'])
    expect(nearMatches('GTIHUB_TOKEN', names)[0]).toBe('GITHUB_TOKEN')
    expect(nearMatches('DATABSE_URL', names)).toEqual(['DATABASE_URL'])
  })

  test('nothing near, nothing said; never the name itself; at most three', () => {
    expect(nearMatches('STRIPE', ['GITHUB_TOKEN'])).toEqual([])
    expect(nearMatches('A1', ['A1', 'B1', 'C1', 'D1', 'E1'])).toEqual(['B1', 'C1', 'D1'])
    expect(nearMatches('A'.repeat(100_000), ['B'.repeat(256)])).toEqual([])
  })
})
