export const words = {
  title: 'Choose a password',
  lead: 'Your password was set by an administrator. Choose one that only you know to go on.',
  current: 'The password you were given',
  submit: 'Save and go on',
} as const
