import type { Command } from '../command.ts'

/** A command that is loaded when it is needed: starting up must not load the others. */
export interface Entry {
  readonly summary: string
  /** Every command's option table differs, and only its own `run` sees it. */
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly load: () => Promise<{ readonly command: Command<any> }>
}

export interface Noun {
  readonly summary: string
  readonly verbs: { readonly [verb: string]: Entry }
}

/** Every command of `keyhold`, in the order of the help. */
export const commands: { readonly [name: string]: Entry | Noun } = {
  run: {
    summary: 'run a command with the secrets of a project, and take them out of its output',
    load: () => import('./run.ts'),
  },
  server: {
    summary: 'start the server',
    load: () => import('./server.ts'),
  },
  admin: {
    summary: 'set up and look after the server on this machine',
    load: () => import('./admin.ts'),
  },
  completion: {
    summary: 'print a completion script for bash, zsh or fish',
    load: () => import('./completion.ts'),
  },
  help: {
    summary: 'explain a command',
    load: () => import('./help.ts'),
  },
}

export function isNoun(entry: Entry | Noun): entry is Noun {
  return 'verbs' in entry
}
