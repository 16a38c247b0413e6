// violates kinds-do-not-import-each-other
import '../two/two.ts'
