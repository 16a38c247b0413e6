// violates only-stores-touch-sql
import 'node:sqlite'
