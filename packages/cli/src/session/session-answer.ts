/** What the agent writes to a session that begins, as a line of JSON. */
export interface SessionAnswer {
  /** Secrets: set, whatever was there. */
  readonly variables: Readonly<Record<string, string>>
  /** Set where the session has none of that name: an ssh-agent that was forwarded goes before ours. */
  readonly additions: Readonly<Record<string, string>>
  /** Folder with this `keyhold`, the last one of PATH. */
  readonly programs: string
  /** For whoever sits at a terminal. */
  readonly notes: readonly string[]
  /** From where they came; sshd sees the tunnel only. */
  readonly address: string
  /** What is taken out of what they see, with Edit. Another line follows with each change, which is answered with a byte. */
  readonly masked?: readonly MaskedValue[]
}

export interface MaskedValue {
  readonly name: string
  /** In base64. */
  readonly value: string
}

/** Why a session must not begin, in place of {@link SessionAnswer}. */
export interface SessionRefusal {
  readonly refused: string
}

/** What sshd is told to run for sftp where there is no program for it, or where it is not for this person. */
export const NO_SFTP = 'internal-sftp'

/** The programs that may serve sftp: Debian, Fedora, Alpine and Arch, BSD and macOS, built by hand. */
export const SFTP_SERVERS = [
  '/usr/lib/openssh/sftp-server',
  '/usr/libexec/openssh/sftp-server',
  '/usr/lib/ssh/sftp-server',
  '/usr/libexec/sftp-server',
  '/usr/local/libexec/sftp-server',
] as const

export const NO_COPIES_OUT =
  'with Edit, files cannot be copied out of a workspace: their values could not be blanked. Copy in with scp -O or rsync, or ask the owner for Admin'
