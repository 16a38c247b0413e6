// violates dependencies-are-declared
import 'pino'
