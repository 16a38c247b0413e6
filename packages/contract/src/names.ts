// Names of secrets. A name becomes an environment variable, so whoever may write a secret must not be able to
// choose a name that makes the program which receives it run, load or trust something. The same rule is applied
// twice: when a secret is written (server) and when it is injected (CLI, agent).
import type { SecretType } from './api/secrets.ts'

/** The form of every secret name. Length is bounded apart, by {@link SECRET_NAME_BYTES_MAX}. */
export const SECRET_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

export const SECRET_NAME_BYTES_MAX = 256

/** The variable that holds the path of a secret of type key; its value is in the variable of its own name. */
export const pathVariable = (name: string): string => `${name}_FILE`

export interface RefusedName {
  readonly reason: 'form' | 'reserved' | 'loader' | 'own'
  readonly message: string
}

/** Says why a name cannot be given to a secret; undefined when it can. Compared upper-cased. */
export function refusedName(name: string): RefusedName | undefined {
  if (name === '') return { reason: 'form', message: 'the name is empty' }
  // The form is ASCII, so characters are bytes.
  if (name.length > SECRET_NAME_BYTES_MAX) {
    return { reason: 'form', message: `the name is longer than ${SECRET_NAME_BYTES_MAX} bytes` }
  }
  if (!SECRET_NAME.test(name)) {
    return {
      reason: 'form',
      message: 'the name may have letters, digits and _ only, and cannot start with a digit',
    }
  }
  if (name === '__proto__') {
    // Lost, or worse, in every program that keeps variables in an object of JavaScript.
    return { reason: 'form', message: '__proto__ cannot be used: it is no name of its own in JavaScript' }
  }
  const upper = name.toUpperCase()
  if (upper.startsWith('KEYHOLD_')) {
    return { reason: 'own', message: `${name} cannot be used: KEYHOLD_ is kept for Keyhold itself` }
  }
  if (isLoader(upper)) {
    return {
      reason: 'loader',
      message: `${name} cannot be used: it can make a program load, run or trust something else`,
    }
  }
  if (
    RESERVED_AS_WRITTEN.has(name) ||
    RESERVED.has(upper) ||
    RESERVED_PREFIXES.some((prefix) => upper.startsWith(prefix))
  ) {
    return { reason: 'reserved', message: `${name} cannot be used: it belongs to the system or the shell` }
  }
  return undefined
}

/**
 * Says why a secret cannot have this name and type: a key also becomes the variable of its path. Asked when a secret is
 * written, so that it can be injected later; undefined when it can.
 */
export function refusedSecret(name: string, type: SecretType): RefusedName | undefined {
  const refused = refusedName(name)
  if (refused !== undefined || type !== 'key') return refused
  const path = refusedName(pathVariable(name))
  if (path === undefined) return undefined
  if (path.reason === 'form') {
    const bytesMax = SECRET_NAME_BYTES_MAX - pathVariable('').length
    return { reason: 'form', message: `the name is longer than ${bytesMax} bytes, the limit for type key` }
  }
  return {
    reason: path.reason,
    message: `${name} cannot be of type key, which also sets ${pathVariable(name)}: ${path.message}`,
  }
}

function isLoader(upper: string): boolean {
  if (LOADER.has(upper)) return true
  return (
    LOADER_FORMS.some((form) => form.test(upper)) ||
    (LOADER_PREFIXES.some((prefix) => upper.startsWith(prefix)) &&
      !CREDENTIAL_FORMS.some((form) => form.test(upper)))
  )
}

/** Gives advice on a name that is allowed but says nothing; undefined when the name is good. */
export function nameWarning(name: string): string | undefined {
  const parts = name
    .toLowerCase()
    .split('_')
    .filter((part) => !/^[0-9]*$/.test(part))
  const saysSomething = parts.some((part) => !EMPTY_WORDS.has(part.replace(/[0-9]+$/, '')))
  if (saysSomething && name.length > 2) return undefined
  return `${name} does not say what it opens; name it after the service and the use, as in GITHUB_TOKEN or DATABASE_PASSWORD`
}

/**
 * Finds the names that a person who wrote `name` probably meant: other case, `-` for `_`, a slip of the keys.
 *
 * @returns at most 3, best first; never `name` itself.
 */
export function nearMatches(name: string, names: Iterable<string>): string[] {
  const wanted = folded(name)
  const distanceMax = wanted.length <= 4 ? 1 : wanted.length <= 8 ? 2 : 3
  const found: { candidate: string; distance: number }[] = []
  for (const candidate of new Set(names)) {
    if (candidate === name) continue
    const distance = editDistance(wanted, folded(candidate), distanceMax)
    if (distance <= distanceMax) found.push({ candidate, distance })
  }
  found.sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
  return found.slice(0, 3).map(({ candidate }) => candidate)
}

function folded(name: string): string {
  return name
    .slice(0, SECRET_NAME_BYTES_MAX)
    .toUpperCase()
    .replaceAll(/[-_.\s]/g, '')
}

/** Counts insertions, deletions, changes and swaps of neighbours; gives up above `distanceMax`. */
function editDistance(a: string, b: string, distanceMax: number): number {
  if (Math.abs(a.length - b.length) > distanceMax) return distanceMax + 1
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      // Every index read here was written by an earlier turn of these loops.
      const same = a[row - 1] === b[column - 1]
      let cost = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1))
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        cost = Math.min(cost, beforeLast[column - 2]! + 1)
      }
      current.push(cost)
    }
    if (Math.min(...current) > distanceMax) return distanceMax + 1
    beforeLast = last
    last = current
  }
  return last[b.length]!
}

const RESERVED_PREFIXES = ['LC_']

/** `temp` is a poor name but a possible one; only the upper-case spelling moves a program's files. */
const RESERVED_AS_WRITTEN = new Set(['TMP', 'TEMP'])

/** What the system, the login and the shell set; changing one breaks the program or moves its files. */
const RESERVED = new Set([
  ...words(`HOME USER LOGNAME PWD OLDPWD LANG LANGUAGE TERM TERMINFO TERMINFO_DIRS TMPDIR HOSTNAME UID EUID PPID
    SHLVL TZ TZDIR DISPLAY SSH_AUTH_SOCK SSH_CLIENT SSH_CONNECTION SSH_TTY SSH_AGENT_PID GPG_AGENT_INFO
    GPG_TTY XDG_CONFIG_HOME XDG_CONFIG_DIRS XDG_DATA_HOME XDG_DATA_DIRS XDG_CACHE_HOME XDG_STATE_HOME
    XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS`),
  // Windows.
  ...words(`SYSTEMROOT WINDIR USERPROFILE APPDATA LOCALAPPDATA PROGRAMDATA PROGRAMFILES HOMEDRIVE HOMEPATH
    USERNAME`),
])

const LOADER_PREFIXES = [
  'LD_', // the dynamic linker of Linux and the BSDs
  'DYLD_', // the dynamic linker of macOS
  'GIT_', // GIT_SSH_COMMAND, GIT_EXTERNAL_DIFF, GIT_CONFIG_*, GIT_EXEC_PATH …: most of them run a program
  'BASH_FUNC_', // exported shell functions
  'NPM_CONFIG_', // script-shell, node-options, prefix
  'PNPM_CONFIG_',
  'GLIBC_TUNABLES',
  'COR_', // the profiler interface of .NET, which loads a library
  'CORECLR_',
  'DOTNET_STARTUP',
  'MALLOC_',
  'SUDO_',
  'LUA_', // LUA_INIT, LUA_PATH, and each with a version: LUA_INIT_5_4
  'CARGO_', // any key of its configuration: CARGO_TARGET_…_RUNNER, CARGO_BUILD_RUSTC_WRAPPER, CARGO_ALIAS_…
  'COREPACK_', // the registry that package managers are taken from
  'TF_CLI_', // TF_CLI_ARGS_plan, TF_CLI_CONFIG_FILE
  'ANSIBLE_', // any key of its configuration, most of the folders of plug-ins
]

/** Names with one of the prefixes that are what secrets are for: the tool only sends the value to a server. */
const CREDENTIAL_FORMS = [
  /^CARGO_(?:REGISTRY|REGISTRIES_[A-Z0-9_]+)_TOKEN$/,
  /^ANSIBLE_[A-Z0-9_]+_(?:PASSWORD|PASS|TOKEN)$/,
]

/** For each language a program that is run in place of, or before, the compiler. */
const LOADER_FORMS = [/^CMAKE_[A-Z0-9_]+_LAUNCHER$/]

/** What makes a linker, an interpreter, a shell or a common tool load, run or trust what the value names. */
const LOADER = new Set([
  // Shells. ZDOTDIR, ENV and BASH_ENV name start-up files; PS0–PS4 and PROMPT_COMMAND are run or expanded.
  ...words(`PATH PATHEXT COMSPEC SHELL IFS CDPATH ENV BASH_ENV BASHOPTS SHELLOPTS BASH_LOADABLES_PATH
    BASH_XTRACEFD EXECIGNORE FIGNORE GLOBIGNORE HISTFILE HISTCONTROL INPUTRC PROMPT_COMMAND PS0 PS1 PS2
    PS3 PS4 ZDOTDIR FPATH POSIXLY_CORRECT FISH_FUNCTION_PATH FISH_COMPLETE_PATH PSMODULEPATH NULLCMD
    READNULLCMD`),
  // The C library.
  ...words(`GCONV_PATH LOCPATH NLSPATH HOSTALIASES RESOLV_HOST_CONF RES_OPTIONS LOCALDOMAIN GETCONF_DIR NIS_PATH
    RESOLV_ADD_TRIM_DOMAINS PCPROFILE_OUTPUT SEGFAULT_OUTPUT_NAME`),
  // JavaScript.
  ...words(`NODE_OPTIONS NODE_PATH NODE_REPL_EXTERNAL_MODULE NODE_REPL_HISTORY NODE_V8_COVERAGE
    NODE_COMPILE_CACHE NODE_ICU_DATA NODE_PRESERVE_SYMLINKS NODE_PENDING_DEPRECATION
    NODE_TLS_REJECT_UNAUTHORIZED NODE_REDIRECT_WARNINGS ELECTRON_RUN_AS_NODE BUN_OPTIONS BUN_INSTALL
    DENO_DIR DENO_TLS_CA_STORE YARN_YARN_PATH YARN_RC_FILENAME YARN_PLUGINS OPENSSL_CONF OPENSSL_MODULES
    OPENSSL_ENGINES`),
  // Python.
  ...words(`PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONINSPECT PYTHONUSERBASE PYTHONEXECUTABLE PYTHONPLATLIBDIR
    PYTHONBREAKPOINT PYTHONWARNINGS PYTHONPYCACHEPREFIX PYTHONCASEOK PYTHON_PRESITE PYTHONSAFEPATH
    VIRTUAL_ENV PIP_CONFIG_FILE PIP_PYTHON UV_CONFIG_FILE PYTEST_ADDOPTS PYTEST_PLUGINS`),
  // Ruby, Perl, PHP, Tcl, R, Julia, Guile, Erlang, Emacs, OCaml.
  ...words(`RUBYOPT RUBYLIB RUBYSHELL JRUBY_OPTS RUBYGEMS_GEMDEPS GEM_HOME GEM_PATH BUNDLE_GEMFILE BUNDLE_PATH
    BUNDLE_BIN_PATH PERL5OPT
    PERL5LIB PERLLIB PERL5DB PERL5SHELL PERLIO_DEBUG PERL_MM_OPT PERL_MB_OPT PERL_UNICODE
    PERL_INTERNAL_RAND_SEED PHPRC PHP_INI_SCAN_DIR COMPOSER_HOME TCLLIBPATH
    TCL_LIBRARY TK_LIBRARY R_PROFILE R_PROFILE_USER R_ENVIRON R_LIBS R_ENVIRON_USER R_HOME R_LIBS_USER
    JULIA_LOAD_PATH JULIA_DEPOT_PATH GUILE_LOAD_PATH GUILE_LOAD_COMPILED_PATH ERL_LIBS ERL_FLAGS
    ERL_AFLAGS ERL_ZFLAGS ERLC_PATH EMACSLOADPATH ELIXIR_ERL_OPTIONS EMACSDATA EMACSPATH AWKPATH
    AWKLIBPATH CAML_LD_LIBRARY_PATH`),
  // The JVM and .NET.
  ...words(`JAVA_TOOL_OPTIONS _JAVA_OPTIONS JDK_JAVA_OPTIONS JAVA_OPTS JAVA_HOME CLASSPATH MAVEN_OPTS MAVEN_ARGS
    MVNW_REPOURL
    GRADLE_OPTS GRADLE_USER_HOME ANT_OPTS SBT_OPTS KOTLIN_OPTS SCALA_OPTS LEIN_JVM_OPTS JAVA_ARGS
    CATALINA_OPTS JVM_OPTS DOTNET_ADDITIONAL_DEPS DOTNET_SHARED_STORE DOTNET_ROOT MONO_PATH
    MONO_GAC_PREFIX MSBUILD_EXE_PATH _JPI_VM_OPTIONS IBM_JAVA_OPTIONS`),
  // Compilers and build tools.
  ...words(`CC CXX CPP AR AS LD NM MAKE MAKEFLAGS MFLAGS GNUMAKEFLAGS MAKEFILES COMPILER_PATH GCC_EXEC_PREFIX
    LIBRARY_PATH CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH CFLAGS CXXFLAGS CPPFLAGS LDFLAGS
    PKG_CONFIG_PATH PKG_CONFIG RUSTC RUSTDOC RUSTFLAGS RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER RUSTUP_HOME
    RUSTUP_TOOLCHAIN CARGO GOROOT GOPATH GOFLAGS GOENV GOTOOLDIR GOTOOLCHAIN GOVCS GODEBUG CGO_CFLAGS
    CGO_LDFLAGS CMAKE_TOOLCHAIN_FILE CMAKE_GENERATOR CONFIG_SITE CONFIG_SHELL M4PATH ACLOCAL_PATH`),
  // Programs that other programs start.
  ...words(`EDITOR VISUAL FCEDIT HGEDITOR SVN_EDITOR SUDO_EDITOR KUBE_EDITOR PAGER MANPAGER SYSTEMD_PAGER
    SYSTEMD_EDITOR BAT_PAGER DELTA_PAGER GH_PAGER GH_EDITOR GH_BROWSER GLAB_PAGER AWS_PAGER PSQL_PAGER
    PSQL_EDITOR PSQLRC BROWSER LESS LESSOPEN LESSCLOSE LESSKEY LESSKEYIN LESSKEY_SYSTEM LESSEDIT
    LESSKEY_CONTENT LV MORE MANOPT MANROFFOPT TERMCAP VIMINIT EXINIT NEXRC MYVIMRC VIM VIMRUNTIME
    GVIMINIT NVIM_APPNAME SCREENRC TMUX SSH_ASKPASS SSH_ASKPASS_REQUIRE SSH_SK_PROVIDER RSYNC_RSH
    RSYNC_CONNECT_PROG CVS_RSH SVN_SSH HGMERGE HGRCPATH HGPLAIN BORG_RSH TAR_OPTIONS TAPE RIPGREP_CONFIG_PATH
    FZF_DEFAULT_COMMAND FZF_DEFAULT_OPTS CURL_HOME WGETRC SYSTEM_WGETRC GNUPGHOME DIRENV_CONFIG
    GDBHISTFILE HELM_PLUGINS KREW_ROOT
    DOCKER_CONFIG AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE KRB5_CONFIG SENDMAIL MAILCAPS
    GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES
    GTK_MODULES GTK_PATH GIO_EXTRA_MODULES QT_PLUGIN_PATH QT_QPA_PLATFORM_PLUGIN_PATH GST_PLUGIN_PATH PYTHONDEVMODE`),
  // Whom TLS trusts. With a proxy variable, one of these lets the writer answer for a package registry.
  ...words(`NODE_EXTRA_CA_CERTS NODE_USE_SYSTEM_CA SSL_CERT_FILE SSL_CERT_DIR CURL_CA_BUNDLE AWS_CA_BUNDLE
    REQUESTS_CA_BUNDLE PIP_CERT PIP_TRUSTED_HOST DENO_CERT HTTPLIB2_CA_CERTS`),
])

/** Words that say that something is secret, which everybody knew, or nothing at all. */
const EMPTY_WORDS = new Set([
  ...words(`secret secrets key keys password passwd pass pwd pw token tokens value values val var variable temp
    tmp test testing foo bar baz new old my credential credentials cred creds data thing stuff
    string text file x asdf qwerty untitled copy the a misc api`),
])

function words(text: string): string[] {
  return text.split(/\s+/)
}
