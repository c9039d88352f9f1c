#!/usr/bin/env bash
# Installs the Debian packages that Overread needs and that are not there yet: deploy/apt.sh run|test
# When nothing is missing it asks dpkg once and changes nothing. Services that come with a package are not started:
# Overread runs its own Orthanc, and the tests their own PostgreSQL. A service that was there before is left alone.
set -euo pipefail

# orthanc-gdcm is left out on purpose: it crashes Orthanc on valid files.
run_packages=(ca-certificates dcmtk dicom3tools fonts-noto-cjk fonts-noto-core orthanc orthanc-dicomweb)
# libatomic1 is what playwright's own Node needs.
test_packages=(chromium libatomic1 poppler-utils postgresql strace)
services=(orthanc postgresql)

policy=/usr/sbin/policy-rc.d
policy_mark="# written by Overread's deploy/apt.sh while it installs packages"

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Debian splits venv from Python; a Python of one's own has it already.
python_packages() {
    "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null || printf 'python3-venv\n'
}

npm_packages() {
    command -v npm >/dev/null || printf 'npm\n'
}

wanted_packages() {
    case "${1:-}" in
        run) printf '%s\n' "${run_packages[@]}"; python_packages; npm_packages ;;
        test) printf '%s\n' "${test_packages[@]}" ;;
        *) die "Usage: deploy/apt.sh run|test" ;;
    esac
}

installed_packages() {
    dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p' | sort -u
}

require_root() {
    [ "$(id -u)" = 0 ] && return
    command -v sudo >/dev/null || die "Installing $* needs root: run this as root, or install sudo."
    sudo -n true 2>/dev/null || [ -t 0 ] || die "Installing $* needs root, and sudo asks for a password: run 'sudo deploy/apt.sh run' and 'sudo deploy/apt.sh test' first."
}

# Quiet when it works; otherwise what apt-get said.
apt() {
    local said
    if ! said=$(as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 "$@" 2>&1); then
        say "$said"
        return 1
    fi
}

remove_policy() {
    if grep -qsxF "$policy_mark" "$policy"; then as_root rm -f "$policy"; fi
}

# A policy-rc.d that somebody else put there stays as it is; on_hold then stops what it let start.
hold_services() {
    trap remove_policy EXIT
    remove_policy
    [ -e "$policy" ] && return
    printf '#!/bin/sh\n%s\ncase "$1" in orthanc*|postgresql*) exit 101;; esac\nexit 0\n' "$policy_mark" | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
}

keep_off() {
    if [ -d /run/systemd/system ]; then
        as_root systemctl disable --now "$1" >/dev/null 2>&1 || true
    elif command -v systemctl >/dev/null; then
        as_root systemctl disable "$1" >/dev/null 2>&1 || true
    else
        as_root update-rc.d "$1" disable >/dev/null 2>&1 || true
    fi
}

without_candidate() {
    local package
    for package in "$@"; do
        apt-cache show "$package" >/dev/null 2>&1 || printf '%s ' "$package"
    done
}

install() {
    local fresh=() unknown service
    require_root "$@"
    for service in "${services[@]}"; do
        [ -n "$(installed_packages "$service")" ] || fresh+=("$service")
    done
    say "Installing Debian packages (a minute or so): $*"
    apt update || say "apt-get update had trouble; trying with the package lists that are there."
    unknown=$(without_candidate "$@")
    [ -z "$unknown" ] || die "This system's package sources have no ${unknown% }. Overread is made for Debian 12; install them another way and run this again, or check /etc/apt and the network."
    hold_services
    apt install --yes --no-install-recommends "$@" || die "apt-get could not install $*; its message is above."
    for service in "${fresh[@]}"; do
        [ -z "$(installed_packages "$service")" ] || keep_off "$service"
    done
}

main() {
    local wanted missing
    wanted=$(wanted_packages "$@" | sort -u)
    command -v dpkg-query >/dev/null || die "This is not a Debian system. Please install what corresponds to these Debian packages: ${wanted//$'\n'/ }"
    # shellcheck disable=SC2086
    missing=$(comm -23 <(printf '%s\n' "$wanted") <(installed_packages $wanted))
    # shellcheck disable=SC2086
    [ -z "$missing" ] || install $missing
}

main "$@"
