#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the preset `cuda` and packs it into one archive that runs from any folder of a Linux which has
# PyTorch and nothing else of ours: programs, GPU tests, benchmarks, and the libraries that PyTorch's
# wheel and glibc do not bring.
#
#   tools/bundle.sh [--output FILE] [--no-build]
#
#   --output    the archive (default: build/bundle/harmofl-bundle.tar.gz)
#   --no-build  packs build/cuda as it is
#
# Needs tools/install-deps.sh --cuda --pytorch --bundle. The archive may have at most 30 MiB; it unpacks
# to a folder harmofl-bundle, whose README.md says what to do. docs/guides/cluster.md says more.
set -euo pipefail

# shellcheck source=tools/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

most_mib=30
targets=(harmofl harmofl-prepare cuda_tests bench_step bench_gpu_allreduce)
programs=(harmofl harmofl-prepare tests/cuda/cuda_test tests/cuda/nccl_test bench/bench_step bench/bench_gpu_allreduce)
# Plugins of Open MPI for networks and schedulers whose libraries would come with them, and those of OpenSHMEM.
# What is left sums by TCP and shared memory.
left_out='_(ofi|openib|psm|psm2|ucx|verbs|netlink)\.so$|mca_(atomic|memheap|scoll|spml|sshmem)_|libompi_dbg|_java|_monitoring\.so$'
# glibc, GCC's run-time libraries (the wheel needs them of the system as well), and what the wheel has.
of_the_system='^(linux-vdso|ld-linux-.*|lib(c|m|dl|rt|util|pthread|resolv|anl|nss_.*|stdc\+\+|gcc_s))\.so'

oldest_glibc=2.35  # of Ubuntu 22.04

output="$HARMOFL_ROOT/build/bundle/harmofl-bundle.tar.gz"
with_build=yes
while [[ $# -gt 0 ]]; do
  case "$1" in
    --output)
      [[ $# -ge 2 ]] || fail "--output needs a file"
      output="$(realpath -m "$2")"
      shift
      ;;
    --no-build) with_build=no ;;
    -h | --help)
      print_help "$0"
      exit 0
      ;;
    *) fail "unknown option '$1'; known: --output FILE --no-build --help" ;;
  esac
  shift
done
command -v patchelf >/dev/null || fail "there is no patchelf; run tools/install-deps.sh --bundle first"
build="$HARMOFL_ROOT/build/cuda"
root="$HARMOFL_ROOT/build/bundle/harmofl-bundle"
torch="$HARMOFL_DEPS/libtorch"

# libraries_of FILE...: the files that these load, but for those of the system and of the wheel, one a line.
libraries_of() {
  LD_LIBRARY_PATH="$(wheel_folders)" ldd "$@" | awk '/=> \// { print $1, $3 } /=> not found/ { print $1, "-" }' |
    sort -u | while read -r name path; do
    [[ ! "$name" =~ $of_the_system && "$path" != "$torch"/* ]] || continue
    [[ "$path" != - ]] || fail "$name, which one of these needs, is not installed: $*"
    printf '%s\n' "$path"
  done
}

# The wheel's folders of libraries, for the loader.
wheel_folders() { printf '%s:' "$torch"/torch/lib "$torch"/nvidia/*/lib; }

# path NAME: a folder of the Open MPI that the programs are linked with.
path() { ompi_info --path "$1" --parsable | sed 's/.*:\(\/.*\)/\1/'; }

copy_programs() {
  mkdir -p "$root"/{bin,libexec,lib}
  local program
  for program in "${programs[@]}"; do
    [[ -x "$build/$program" ]] || fail "there is no $build/$program: leave --no-build out"
    cp "$build/$program" "$root/libexec/"
  done
  cp "$HARMOFL_ROOT/tools/bundle/start" "$root/bin/"
  for program in harmofl harmofl-prepare cuda_test nccl_test bench_step bench_gpu_allreduce mpirun orted; do
    ln -s start "$root/bin/$program"
  done
}

# Below mpi/ as it lies below Open MPI's own prefix: it finds its parts by OPAL_PREFIX.
copy_mpi() {
  local prefix plugins data
  prefix="$(path prefix)" plugins="$(path pkglibdir)" data="$(path pkgdatadir)"
  [[ "$plugins" == "$prefix"/* && "$data" == "$prefix"/* ]] ||
    fail "Open MPI's plugins ($plugins) or texts ($data) do not lie below its prefix $prefix: it cannot be moved"
  mkdir -p "$root/mpi/bin" "$root/mpi${plugins#"$prefix"}" "$root/mpi${data#"$prefix"}"
  cp -L "$(command -v mpirun)" "$(command -v orted)" "$root/mpi/bin/"
  cp "$data"/help-*.txt "$root/mpi${data#"$prefix"}/"
  mkdir "$root/mpi/etc"  # in place of the settings of an Open MPI that the machine may have
  cp "$(path sysconfdir)/openmpi-mca-params.conf" "$root/mpi/etc/"
  local plugin pmix_plugins
  for plugin in "$plugins"/mca_*.so; do
    [[ "$plugin" =~ $left_out ]] || cp "$plugin" "$root/mpi${plugins#"$prefix"}/"
  done
  pmix_plugins="$(find /usr/lib -path '*/pmix2/lib/pmix/*.so' -print 2>/dev/null)"
  [[ -n "$pmix_plugins" ]] || fail "PMIx's plugins are not below /usr/lib, where Debian has them"
  mkdir -p "$root/mpi/lib/pmix"
  # shellcheck disable=SC2086  # several files
  cp $pmix_plugins "$root/mpi/lib/pmix/"
}

# What programs and plugins need, and the licences of all that is not ours.
copy_libraries() {
  local objects=() libraries=() library
  mapfile -t objects < <(find "$root/libexec" "$root/mpi" -type f \( -perm -u+x -o -name '*.so' \))
  mapfile -t libraries < <(libraries_of "${objects[@]}")
  [[ ${#libraries[@]} -gt 0 ]] || fail "no library was found to pack"
  for library in "${libraries[@]}"; do
    cp -L "$library" "$root/lib/$(basename "$library")"
  done
  copy_licences "${libraries[@]}" "$(path pkglibdir)"/mca_pml_ob1.so
}

copy_licences() {
  local library package
  mkdir -p "$root/licences"
  for library in $(realpath "$@"); do
    package="$(package_of "$library")" || fail "no package owns $library: its licence is not known"
    cp -L "/usr/share/doc/$package/copyright" "$root/licences/$package"
  done
}

# package_of FILE: the package that it came with; older ones name their files without /usr.
package_of() {
  { dpkg-query --search "$1" || dpkg-query --search "${1#/usr}"; } 2>/dev/null | sed 's/:.*//;q' | grep .
}

# Strips, and has each find its neighbours from wherever it lies.
finish_objects() {
  local object
  while IFS= read -r object; do
    strip --strip-unneeded "$object"
    patchelf --set-rpath "\$ORIGIN/$(realpath -s --relative-to "$(dirname "$object")" "$root/lib")" "$object"
  done < <(find "$root/libexec" "$root/mpi" "$root/lib" -type f \( -perm -u+x -o -name '*.so*' \))
}

# Debian's libevent wants arc4random of glibc 2.36. It gets ours, under the name of a version that older ones
# have: a library without versions answers to each.
give_libevent_random_numbers() {
  local library="$root/lib/libevent_core-2.1.so.7"
  cc -shared -fPIC -O2 -Wl,-soname,libharmofl_random.so "$HARMOFL_ROOT/tools/bundle/random.c" \
    -o "$root/lib/libharmofl_random.so"
  rename_version "$library" GLIBC_2.36 GLIBC_2.33
  patchelf --add-needed libharmofl_random.so "$library"
}

# rename_version FILE VERSION OTHER: what FILE needs of glibc's VERSION is sought in OTHER, which it needs as
# well. Both are entries of 16 bytes in its section .gnu.version_r: the hash comes first, the name at 8.
rename_version() {
  local table entry other part
  table="$(readelf --wide --version-info "$1" | awk '/version_r/ { found = 1 } found && /Offset:/ { print $4; exit }')"
  entry="$(entry_of "$1" "$2")" other="$(entry_of "$1" "$3")"
  [[ -n "$entry" && -n "$other" ]] || fail "$1 does not need both $2 and $3 of glibc: rename_version is of no use any more"
  for part in 0 8; do
    dd if="$1" of="$1" bs=1 count=4 conv=notrunc status=none \
      skip=$((table + other + part)) seek=$((table + entry + part))
  done
}

entry_of() {
  readelf --wide --version-info "$1" |
    awk -v name="$2" '/version_r/ { found = 1 } found && $2 == "Name:" && $3 == name { sub(/:$/, "", $1); print $1; exit }'
}

# No object may need a newer glibc than the oldest that is promised.
check_glibc() {
  local object newest
  while IFS= read -r object; do
    newest="$(readelf --wide --version-info "$object" 2>/dev/null | grep -o 'Name: GLIBC_[0-9.]*' |
      sed 's/.*_//' | sort -V | tail -n 1 || true)"  # some need none
    [[ "$(printf '%s\n' "$newest" "$oldest_glibc" | sort -V | tail -n 1)" == "$oldest_glibc" ]] ||
      fail "$object needs glibc $newest, and the bundle is to run with $oldest_glibc"
  done < <(find "$root/libexec" "$root/mpi" "$root/lib" -type f \( -perm -u+x -o -name '*.so*' \))
}

copy_files() {
  cp -r "$HARMOFL_ROOT"/{jobs,LICENSE} "$root/"
  mkdir -p "$root/bench" "$root/tools"
  cp "$HARMOFL_ROOT/tools/common.sh" "$root/tools/"
  cp "$HARMOFL_ROOT"/tools/bundle/README.md "$HARMOFL_ROOT/tools/gpu-check.sh" "$root/"
  cp -r "$HARMOFL_ROOT/tools/gpu_check" "$root/tools/"
  cp -r "$HARMOFL_ROOT"/bench/{suite,peers} "$root/bench/"
  find "$root" -name __pycache__ -prune -exec rm -rf {} +
  cp "$build/generated/harmofl_build_info.hpp" "$root/BUILD"
  sed -n "s/^__version__ = '\(.*\)'/\1/p" "$torch/torch/version.py" >"$root/TORCH"
}

# The same content gives the same bytes.
pack() {
  mkdir -p "$(dirname "$output")"
  tar --create --directory "$(dirname "$root")" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner \
    "$(basename "$root")" | gzip -9 --no-name >"$output.part"
  mv "$output.part" "$output"
  local bytes
  bytes="$(stat -c %s "$output")"
  [[ "$bytes" -le $((most_mib << 20)) ]] ||
    fail "$output has $bytes bytes, and $((most_mib << 20)) ($most_mib MiB) are allowed. What is large: $(
      du -ak "$root" | sort -rn | sed -n '2,8p' | tr '\n\t' '; ')"
  note "$output: $bytes bytes, unpacked $(du -sk "$root" | cut -f1) KiB"
}

[[ "$with_build" == no ]] || build_preset cuda --target "${targets[@]}"
step "bundle: collecting"
rm -rf "$root"
copy_programs
copy_mpi
copy_libraries
give_libevent_random_numbers
finish_objects
check_glibc
copy_files
step "bundle: packing"
pack
