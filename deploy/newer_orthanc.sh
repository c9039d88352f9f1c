#!/bin/sh
# Puts the Orthanc of a later Debian beside this machine's, to try and measure with: needs root, debootstrap, amd64.
#
#     deploy/newer_orthanc.sh FOLDER [SUITE]      # trixie: Orthanc 1.12; sid: what is newest
#     PATH=FOLDER/bin:$PATH overread up           # or pytest, or python -m bench: whatever comes first on the path
#
# It runs with its own loader and libraries, so nothing of this machine is changed.
set -eu

[ $# -ge 1 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2; }
folder=$(realpath -m "$1")
suite=${2:-trixie}
mirror=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $(. /etc/os-release; echo "$VERSION_CODENAME")" | head -n 1)

debootstrap --variant=minbase --include=orthanc,orthanc-dicomweb "$suite" "$folder/debian" "$mirror"

mkdir -p "$folder/bin" "$folder/share/orthanc"
ln -sfn "$folder/debian/usr/share/orthanc/plugins" "$folder/share/orthanc/plugins"
cat > "$folder/bin/Orthanc" <<END
#!/bin/sh
root='$folder/debian'
export DCMDICTPATH="\$root/usr/share/dcmtk/dicom.dic"
exec "\$root"/lib64/ld-linux-*.so.2 --library-path "\$root/usr/lib:\$root/usr/lib/x86_64-linux-gnu" \\
    "\$root/usr/sbin/Orthanc" "\$@"
END
chmod +x "$folder/bin/Orthanc"
"$folder/bin/Orthanc" --version | head -n 1
