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
  first: 'The first secret, and the first program that gets it',
  signInCommand: (url: string) => `npx keyhold login --url ${url}`,
  signInName: 'command that signs this machine in',
  signInText: 'Sign your machine in; it asks you to confirm here in the browser:',
  projectText: 'Make a project and put a secret into it; the value is asked for:',
  projectCommand: 'npx keyhold project create first\nnpx keyhold secret set GREETING',
  projectName: 'commands that make a project and a secret',
  runText:
    'Make an access key, and start a program with it. The value is in the program, and blank in what it prints:',
  runCommand:
    // biome-ignore lint/suspicious/noTemplateCurlyInString: for a shell
    'npx keyhold access-key create --permission=read --output="$HOME/first.env"\n(set -a; . "$HOME/first.env"; npx keyhold run -- sh -c \'echo "$GREETING has ${#GREETING} characters"\')',
  runName: 'commands that start a program with its secrets',
  home: 'Go to Keyhold',
} as const
