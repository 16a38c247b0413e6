export const words = {
  title: 'Set up Keyhold',
  lead: 'You become the first administrator. It takes a minute.',
  code: 'One-time code, or the link with it',
  codeHelp: 'The server printed it in its terminal when it started',
  submit: 'Set up',
  done: 'This Keyhold is set up already',
  doneText: 'The link worked once. Sign in, or ask an administrator for an invitation.',
  signIn: 'Sign in',
  ready: 'Keyhold is yours',
  readyLead: 'Two things are left: make sure that nothing can be lost, and give a program its first secret.',
  kit: 'Keep the root key safe',
  kitText:
    'Without its root key nobody can read anything, you neither. It never leaves the server’s machine, so the recovery kit is made there: the command shows it once, and has you type a part of it back.',
  kitCommand: 'npx keyhold admin recovery-kit create',
  kitName: 'command that makes the recovery kit',
  home: 'Go to Keyhold',
} as const
