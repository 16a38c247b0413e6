export type Some = string
