# What a person types in a workspace; given to sh there by `ssh … sh -s`. Nothing is set up for git, and no key is there.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
say() { printf '\n# %s\n' "$1"; }

say 'clone a private repository over HTTPS'
git clone --quiet "$DEMO_HTTPS" https
git -C https config user.name 'Ada Example'
git -C https config user.email ada@example.com

say 'make a signed commit, and push it'
cat >https/app.js <<'APP'
// Charges whoever is next.
const token = process.env.SHOP_PAYMENT_TOKEN
console.log(`paying with ${token}, ${token.length} characters`)
APP
git -C https add app.js
git -C https commit --quiet -m 'pay'
git -C https push --quiet origin HEAD:main
printf 'ada@example.com %s\n' "$(cat "$DEMO_IDENTITY")" >signers
git -C https -c gpg.ssh.allowedSignersFile="$work/signers" verify-commit HEAD

say 'clone the same repository over SSH'
git clone --quiet "$DEMO_SSH" ssh
git -C ssh log --oneline

say 'run a program that reads a secret; its output is masked'
cd https
"$DEMO_KEYHOLD" run -- node app.js
