// violates stores-are-private-to-their-folder
import '../access/access.store.ts'
