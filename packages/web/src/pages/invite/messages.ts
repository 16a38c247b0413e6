export const words = {
  title: 'Join Keyhold',
  lead: (by: string, email: string) => `${by} invites you. Your account will have the address ${email}.`,
  link: 'The link of your invitation',
  show: 'Go on',
  submit: 'Make my account',
} as const
