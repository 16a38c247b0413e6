export const permissionOption = {
  type: 'string',
  placeholder: 'PERMISSION',
  summary: 'read: retrieve secrets; read_write: also create and update them; neither deletes',
  choices: ['read', 'read_write'],
} as const

export const ipOption = {
  type: 'string',
  placeholder: 'ADDRESS',
  summary: 'address or CIDR range that may use the key',
  isRepeatable: true,
} as const

/** As the web page shows them. */
export const shownPermission = { read: 'Read', read_write: 'Read & Write' } as const
export const shownStatus = { active: 'Active', inactive: 'Inactive', expired: 'Expired' } as const
