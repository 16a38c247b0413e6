export const words = {
  title: 'Home',
  lead: 'What needs you, across everything that is kept for you.',
  fine: 'Nothing needs you',
  fineText:
    'No credential of yours has expired, is about to, is due for rotation, broken, or unused for 90 days.',
  name: 'Name',
  kind: 'Kind',
  usedIn: 'Used in',
  why: 'Why',
  expires: 'Expires',
  kit: 'The root key has no recovery kit',
  kitMissing:
    'If the server’s machine is lost, nobody can read anything here, you neither. On that machine, this shows the kit once and has you type part of it back:',
  kitUnproven: 'A kit was made, but nobody has proven that they kept it. On the server’s machine:',
  kitCreate: 'npx keyhold admin recovery-kit create',
  kitVerify: 'npx keyhold admin recovery-kit verify',
  kitName: 'command for the recovery kit',
} as const
