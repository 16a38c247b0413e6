// violates only-stores-touch-sql
export const used = () => import('pg')
