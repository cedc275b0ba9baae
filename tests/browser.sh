#!/bin/sh
# The browser that the tests look at reports with: Debian's Chromium, installed where that is allowed.
command -v chromium >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Chromium for the tests that look at a page"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null && exit 0
fi
echo "No Chromium: the tests that look at a page will be skipped. Install it with: apt-get install chromium"
exit 0
