export const words = {
  title: 'Sign in',
  submit: 'Sign in',
  passkey: 'Sign in with a passkey',
  or: 'or',
  provider: (label: string) => `Sign in with ${label}`,
  oneMore: 'One more step',
  oneMoreText: 'Your account has a second factor. Give a code to finish.',
  finish: 'Finish',
  forgotten: 'Forgot your password? An administrator can give you a new one.',
  notSetUp: 'This Keyhold is not set up yet',
  notSetUpText: 'Open the link that the server printed in its terminal when it started. It begins with',
  expired: 'Sign in to go on to the page that you asked for. If you were signed in, your session has ended.',
} as const
