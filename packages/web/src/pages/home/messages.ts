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
} as const
