// violates queries-are-in-stores
export const used = (db: { selectFrom(table: string): unknown }) => db.selectFrom('projects')
