import { describe, expect, test } from 'vitest'
import { nameWarning, nearMatches, refusedName, refusedSecret, SECRET_NAME } from '../src/names.ts'

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
      GCONV_PATH PROMPT_COMMAND SHELLOPTS BASHOPTS BASH_FUNC_ls PS4 LESSOPEN BASH_ENV ENV ZDOTDIR NODE_EXTRA_CA_CERTS
      LUA_INIT_5_4 LUA_CPATH_5_3 CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER CARGO_HOME CARGO_REGISTRIES_X_INDEX
      COREPACK_NPM_REGISTRY PYTEST_ADDOPTS PYTEST_PLUGINS TF_CLI_ARGS_plan TF_CLI_CONFIG_FILE HGMERGE JRUBY_OPTS
      CMAKE_C_COMPILER_LAUNCHER CMAKE_CXX_LINKER_LAUNCHER MVNW_REPOURL AWS_SHARED_CREDENTIALS_FILE AWS_CONFIG_FILE
      KRB5_CONFIG RUBYGEMS_GEMDEPS ANSIBLE_CALLBACK_PLUGINS ANSIBLE_VAULT_PASSWORD_FILE QT_PLUGIN_PATH
      QT_QPA_PLATFORM_PLUGIN_PATH CAML_LD_LIBRARY_PATH`
    for (const name of hooks.split(/\s+/)) expect(refusedName(name)?.reason, name).toBe('loader')
    expect(refusedName('LD_PRELOAD')?.message).toContain('LD_PRELOAD')
  })

  test('credentials of tools whose other variables are refused are ordinary secrets', () => {
    const credentials = `CARGO_REGISTRY_TOKEN CARGO_REGISTRIES_MY_CRATES_TOKEN ANSIBLE_VAULT_PASSWORD
      ANSIBLE_BECOME_PASS ANSIBLE_GALAXY_SERVER_HUB_TOKEN TF_VAR_db_password CMAKE_LICENSE LUAROCKS_API_KEY`
    for (const name of credentials.split(/\s+/)) expect(refusedName(name), name).toBeUndefined()
  })

  test('__proto__ is refused, and nothing can allow it', () => {
    expect(refusedName('__proto__')?.reason).toBe('form')
    expect(refusedName('__proto')).toBeUndefined()
  })

  test('a key is refused where the variable of its path is', () => {
    for (const name of ['SSL_CERT', 'ANSIBLE_VAULT_PASSWORD', 'AWS_SHARED_CREDENTIALS']) {
      expect(refusedSecret(name, 'key'), name).toMatchObject({ reason: 'loader' })
      expect(refusedSecret(name, 'key')?.message, name).toContain(`${name}_FILE`)
      for (const type of ['token', 'password', 'file'] as const)
        expect(refusedSecret(name, type), name).toBeUndefined()
    }
    expect(refusedSecret('DEPLOY_KEY', 'key')).toBeUndefined()
    expect(refusedSecret('LD_PRELOAD', 'key')).toEqual(refusedName('LD_PRELOAD'))
    expect(refusedSecret('A'.repeat(251), 'key')).toBeUndefined()
    expect(refusedSecret('A'.repeat(252), 'key')?.message).toContain('251 bytes')
    expect(refusedSecret('A'.repeat(252), 'file')).toBeUndefined()
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
