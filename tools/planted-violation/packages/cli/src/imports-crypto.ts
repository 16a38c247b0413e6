// violates cryptography-has-few-places
import 'crypto'
