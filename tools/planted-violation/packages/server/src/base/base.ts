export type Base = string
