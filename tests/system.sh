#!/bin/sh
# What the tests need beside Python: Debian's Chromium, to look at pages, Java, for a Spark cluster, LibreOffice, to open tables, and strace, to see connections. Installed where that is allowed.
missing=""
command -v chromium >/dev/null || missing="chromium"
command -v java >/dev/null || missing="$missing default-jre-headless"
command -v soffice >/dev/null || missing="$missing libreoffice-calc"
command -v strace >/dev/null || missing="$missing strace"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing for the tests: $missing"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null && exit 0
fi
echo "Missing: $missing. The tests that need it will be skipped. Install it with: apt-get install $missing"
exit 0
