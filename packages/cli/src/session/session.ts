// What sshd runs for each session in a workspace, in place of what the person asked for. It gets the session's variables
// from the agent and then becomes what was asked for: the same process, with the same terminal, so that exit status, signals
// and bytes are those of sshd without it. For Edit it stays in between (masked-session.ts).
//
// It starts with every session, so it loads next to nothing. What it writes, it writes without Node's streams, which would
// make the descriptors non-blocking for what comes after.
import { existsSync, readFileSync, writeSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { basename, join } from 'node:path'
import {
  NO_COPIES_OUT,
  NO_SFTP,
  type SessionAnswer,
  type SessionRefusal,
  SFTP_SERVERS,
} from './session-answer.ts'

/** How long the agent may take; it waits for the server, which writes down who gets the secrets. */
const ANSWER_MS = 8_000

// Both are of the command that the agent told sshd; nothing that a client sends is believed.
const [socketPath = '', level = 'edit'] = process.argv.slice(2)
// What was set for the shell that started this: see ssh-server.ts.
const { SSH_ORIGINAL_COMMAND: command, SHLVL: _level, ZDOTDIR: _folder, ...env } = process.env
const hasTerminal = env.SSH_TTY !== undefined
const isEdit = level === 'edit'

try {
  await begin()
} catch {
  // Nothing of an error is shown: it may quote what it was about.
  end('the session could not be started')
}

async function begin(): Promise<void> {
  const sftp = [NO_SFTP, ...SFTP_SERVERS].find((path) => path === command)
  if (isEdit) {
    if (sftp !== undefined) return endSftp(NO_COPIES_OUT)
    const { copiesOut, runMasked } = await import('./masked-session.ts')
    if (copiesOut(command)) end(NO_COPIES_OUT)
    const { socket, answer } = await ask()
    if (answer === undefined) end('the agent of this workspace does not answer, so nothing could be blanked')
    if ('refused' in answer) end(answer.refused)
    for (const text of answer.notes) note(text)
    return runMasked({ command, env: environment(answer), hasTerminal, socket, masked: answer.masked ?? [] })
  }
  if (sftp === NO_SFTP) return endSftp('this machine has no sftp-server: install openssh-sftp-server there')
  // It starts no program of the person's, so it gets no secrets. Without a shell, whose start-up files may print something.
  if (sftp !== undefined) become(sftp, [basename(sftp)], env)
  const { answer } = await ask()
  if (answer === undefined || 'refused' in answer) {
    note(
      `no secrets in this session: ${answer ? answer.refused : 'the agent of this workspace does not answer'}`,
    )
    return startShell(env)
  }
  for (const text of answer.notes) note(text)
  return startShell(environment(answer))
}

/** Asks the agent. @returns no answer when it gives none in time, or has gone. */
function ask(): Promise<{ socket: Socket; answer: SessionAnswer | SessionRefusal | undefined }> {
  return new Promise((resolve) => {
    const socket = connect(socketPath)
    let text = ''
    const settle = (answer?: SessionAnswer | SessionRefusal) => {
      clearTimeout(deadline)
      resolve({ socket, answer })
    }
    const deadline = setTimeout(settle, ANSWER_MS)
    socket.setEncoding('utf8')
    socket.on('data', function read(piece: string) {
      text += piece
      const lineEnd = text.indexOf('\n')
      if (lineEnd < 0) return
      socket.off('data', read)
      socket.pause()
      // Other values may have come right behind.
      if (lineEnd + 1 < text.length) socket.unshift(text.slice(lineEnd + 1), 'utf8')
      settle(JSON.parse(text.slice(0, lineEnd)) as SessionAnswer) // `as`: of the agent that started this.
    })
    socket.on('error', () => settle())
    socket.on('close', () => settle())
  })
}

function environment({ variables, additions, address, programs }: SessionAnswer): NodeJS.ProcessEnv {
  const from = {
    // sshd(8): client address and port, then port, or address and port, of the server. Ports end at the gateway.
    SSH_CLIENT: `${address} 0 22`,
    SSH_CONNECTION: `${address} 0 127.0.0.1 22`,
  }
  return {
    ...additions,
    ...pathVariables(programs),
    ...env,
    ...(address !== '' && from),
    ...withPrograms(programs),
    ...variables,
  }
}

/** Last: whoever has a keyhold of their own keeps it. */
function withPrograms(programs: string): NodeJS.ProcessEnv {
  return { PATH: env.PATH ? `${env.PATH}:${programs}` : programs }
}

/**
 * A login shell may set PATH anew, as /etc/profile of Debian does: bash does this before each prompt, where nothing else is set
 * for that.
 */
function pathVariables(programs: string): NodeJS.ProcessEnv {
  const isPlain = /^[\w/.+-]+$/.test(programs)
  if (!isPlain || !hasTerminal || command !== undefined || basename(env.SHELL ?? '') !== 'bash') return {}
  return { PROMPT_COMMAND: `case ":$PATH:" in *":${programs}:"*) ;; *) PATH="$PATH:${programs}" ;; esac` }
}

/** Becomes the login shell, or the shell with the command, as sshd would start it. */
async function startShell(variables: NodeJS.ProcessEnv): Promise<never> {
  const shell = env.SHELL || '/bin/sh'
  if (command === undefined) showMessageOfTheDay()
  const args = command === undefined ? [`-${basename(shell)}`] : [basename(shell), '-c', command]
  await runRc(variables)
  try {
    become(shell, args, variables)
  } catch {
    // Too long together with what sshd has set, as the command may be: without them, rather than not at all.
    note('no secrets in this session: they are too long together with the command')
    become(shell, args, env)
  }
}

/** As sshd does before each session, unless a command is forced (sshd(8), SSHRC). */
async function runRc(variables: NodeJS.ProcessEnv): Promise<void> {
  const path = join(env.HOME ?? '/', '.ssh/rc')
  if (!existsSync(path)) return
  const { spawnSync } = await import('node:child_process')
  spawnSync('/bin/sh', [path], { stdio: ['ignore', 'inherit', 'inherit'], env: variables })
}

/** Replaces this process. @throws when the program cannot be started. */
function become(file: string, args: string[], variables: NodeJS.ProcessEnv): never {
  // Node ignores these, and what is ignored stays so; what has a listener is back to what it was.
  for (const signal of ['SIGPIPE', 'SIGXFSZ'] as const) process.on(signal, () => {})
  return process.execve!(file, args, variables as NodeJS.Dict<string>) // `!`: everywhere but on Windows.
}

/** As sshd does for a shell in a terminal, unless a command is forced (PrintMotd in sshd_config(5)). */
function showMessageOfTheDay(): void {
  if (!hasTerminal || existsSync(join(env.HOME ?? '/', '.hushlogin'))) return
  try {
    writeSync(1, readFileSync('/etc/motd'))
  } catch {
    // There is none.
  }
}

function note(text: string): void {
  if (hasTerminal) writeSync(2, `keyhold: ${text}\n`)
}

async function endSftp(text: string): Promise<never> {
  const { refuseSftp } = await import('./refuse-sftp.ts')
  await refuseSftp(text)
  process.exit(1)
}

function end(text: string): never {
  writeSync(2, `keyhold: ${text}\n`)
  process.exit(1)
}
