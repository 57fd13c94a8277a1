#!/usr/bin/env bash
# Puts a headless Chromium into .venv/browser, for the test that opens report pages. Needs Python, pip and no root: pip
# brings npm, and npm brings a Chromium for x86-64 Linux that is linked against little more than glibc.
# usage: scripts/setup-browser.sh [--system]
#   --system  installs the distribution's Chromium with apt-get instead; for CI machines that are thrown away
#
# Running it again costs nothing. Whatever configuration pip and npm have (an index of their own, a proxy) stays in force.
set -euo pipefail
cd "$(dirname "$0")/.."

package=@sparticuz/chromium
version=153.0.0
folder=$PWD/.venv/browser

if [ "${1:-}" = --system ]; then
    apt-get update && exec apt-get install -y --no-install-recommends chromium
fi
if [ "$(uname -sm)" != "Linux x86_64" ]; then
    echo "setup-browser: no packaged browser for $(uname -sm); install Chromium and set NDCOMPACT_BROWSER" >&2
    exit 1
fi
if [ "$(cat "$folder/version" 2>/dev/null)" = "$version" ] && "$folder/chromium" --version >/dev/null 2>&1; then
    exit 0
fi

scripts/setup.sh demo
echo "setup-browser: putting Chromium $version into .venv/browser"
rm -rf "$folder"
mkdir -p "$folder/unpacked"
trap 'rm -rf "$folder/unpacked"' EXIT
PIP_USER=0 .venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --target "$folder/unpacked/node" -r scripts/requirements-browser.txt
node=$(find "$folder/unpacked/node" -path '*/bin/node' -type f -o -path '*/bin/node' -type l | head -n 1)
npm=$(find "$folder/unpacked/node" -path '*/npm/bin/npm-cli.js' | head -n 1)

# `pack` fetches the one package, checks its sum, and runs nothing of it.
"$node" "$npm" pack "$package@$version" --pack-destination "$folder/unpacked" \
    --cache "$folder/unpacked/npm" --no-update-notifier --loglevel error >/dev/null
tar -xzf "$folder"/unpacked/*.tgz -C "$folder/unpacked"
"$node" - "$folder/unpacked/package/bin" "$folder" <<'JS'
const fs = require("fs"), path = require("path"), zlib = require("zlib");
const [from, to] = process.argv.slice(2);
for (const name of fs.readdirSync(from).filter((n) => n.endsWith(".br"))) {
  fs.writeFileSync(path.join(to, name.slice(0, -3)), zlib.brotliDecompressSync(fs.readFileSync(path.join(from, name))));
}
JS
mv "$folder/chromium" "$folder/chrome"
for archive in "$folder"/*.tar; do
    tar -xf "$archive" -C "$folder"
    rm "$archive"
done
mkdir -p "$folder/cache"
cat > "$folder/fonts.conf" <<XML
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>$folder/fonts</dir><dir>/usr/share/fonts</dir><cachedir>$folder/cache</cachedir></fontconfig>
XML
cat > "$folder/chromium" <<SH
#!/bin/sh
export LD_LIBRARY_PATH="$folder/lib:$folder\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
export FONTCONFIG_FILE="$folder/fonts.conf"
exec "$folder/chrome" "\$@"
SH
chmod +x "$folder/chrome" "$folder/chromium"
"$folder/chromium" --version
echo "$version" > "$folder/version"
