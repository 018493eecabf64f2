#!/bin/sh
# Installs what the pictures of the examples need: stb_image_write (libstb-dev) and gnuplot.
# Says nothing when both are there. Never fails: without them the examples run without pictures.

missing()
{
    need=
    echo '#include <stb/stb_image_write.h>' | ${CC:-cc} -E - >/dev/null 2>&1 || need=libstb-dev
    command -v gnuplot >/dev/null 2>&1 || need="${need:+$need }gnuplot-nox"
    test -n "$need"
}

missing || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    echo "no pictures without stb/stb_image_write.h and gnuplot: install them as this system does"
    exit 0
fi

root=no
sudo=
if test "$(id -u)" = 0; then
    root=yes
elif command -v sudo >/dev/null 2>&1; then
    sudo='sudo '
    sudo -n true >/dev/null 2>&1 && root=yes
fi

if test $root = yes; then
    echo "installing $need"
    apt="${sudo:+sudo -n }env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=60 -o Acquire::Retries=1"
    {
        $apt update
        $apt install -y --no-install-recommends $need
    } </dev/null >/dev/null 2>&1
    missing || exit 0
fi
echo "${sudo}apt-get install $need"
exit 0
