// violates cryptography-has-few-places
import 'node:crypto'
