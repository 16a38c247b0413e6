// violates only-gpg-keys-touch-openpgp
import 'openpgp'
