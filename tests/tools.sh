#!/bin/sh
# sh tools.sh command=packages ...   installs the packages of the commands (or files) that are missing, where
# it may: as root, or with a sudo that asks nothing. Silent when all are there; else says what it installs, or
# what to type. Never fails: a test whose tool is missing is skipped. NO_INSTALL=1 keeps it from installing.

missing()
{
    need=
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null 2>&1 || test -e "${pair%%=*}" || need="${need:+$need }${pair#*=}"
    done
    test -n "$need"
}

missing "$@" || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    echo "not installed: $need: some tests will be skipped"
    exit 0
fi

may=no
sudo=
if test "$(id -u)" = 0; then
    may=yes
elif command -v sudo >/dev/null 2>&1; then
    sudo='sudo '
    sudo -n true >/dev/null 2>&1 && may=yes
fi

if test $may = yes && test -z "${NO_INSTALL:-}"; then
    echo "installing $need (make NO_INSTALL=1 does without)"
    apt="${sudo:+sudo -n }env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=60"
    apt="$apt -o Acquire::Retries=1 -o Acquire::http::Timeout=20"
    {
        $apt update
        $apt install -y --no-install-recommends $need ||
            for package in $need; do $apt install -y --no-install-recommends $package; done
    } </dev/null >/dev/null 2>&1
    missing "$@" || exit 0
fi
echo "not installed: $need: some tests will be skipped; ${sudo}apt-get install $need"
exit 0
