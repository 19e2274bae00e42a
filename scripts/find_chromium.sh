#!/usr/bin/env bash
# Say where a Chromium is, for the browser tests; or how to get one, and fail.
for name in chromium chromium-browser google-chrome google-chrome-stable chrome; do
    if command -v "$name"; then
        exit 0
    fi
done
if compgen -G "${PLAYWRIGHT_BROWSERS_PATH:-$HOME/.cache/ms-playwright}/chromium-*" >/dev/null; then
    echo "Playwright's own Chromium"
    exit 0
fi
echo "No Chromium is installed, so the browser tests are skipped. To run them: 'apt-get install chromium' on Debian," >&2
echo "'dnf install chromium' on Fedora, 'brew install --cask chromium' on macOS, or '.venv/bin/playwright install chromium'." >&2
exit 1
