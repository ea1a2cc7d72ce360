#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Refuses what breaks the layers of the sources.
#
#   tools/check-includes.sh [ROOT]        ROOT: the folder with include/ and src/ (default: this checkout)
#
# A file's layer is its folder: include/harmofl/<layer>/, src/<layer>/, or bench/<layer>/ (which times
# that layer against what it is made of); files right in src/ (main) belong to app. A room is a folder
# inside a layer, src/<layer>/<room>/. Headers are included by their path from include/ (those that are
# installed, "harmofl/<layer>/<file>.hpp") or from src/ ("<layer>/[<room>/]<file>.hpp"). Looked at are the
# included files (comments are not) and, for output, the code.
# Exit status: 0 all is in order; 1 there are violations (each on a line FILE:LINE: REASON).
set -euo pipefail

# --- The rules ------------------------------------------------------------------------------------
# What each layer may include besides itself, from the bottom up.
layer_rules='
base:
comm:  base
io:    base
kernels: base
data:  base io
model: base io kernels
fl:    base comm io data kernels model
app:   base comm io data kernels model fl
'
# What the rooms of a layer may include of that layer's other rooms; the files right in the layer's folder
# may include all of them, and its installed headers may be included by all. A layer with a room in this
# table has all its rooms in it; the rooms of other layers include each other as they like.
room_rules='
fl/aggregate:
fl/analysis: local
fl/clients:
fl/fleet:
fl/lanes: local
fl/local:
fl/methods:
fl/record: clients local
fl/run: aggregate clients lanes local record
fl/trace:
'
# <header pattern> <the one layer that may include it>. Tools and benchmarks are not layers.
header_rules='
^(mpi|mpi-ext|nccl)[.]h$  comm
^(hdf5|hdf5_hl|H5.*)[.]h$ io
'
# Standard output belongs to the program: only app, base/log and benchmarks write to it.
output_pattern='(^|[^A-Za-z0-9_])(std::cout|printf|puts|putchar)([^A-Za-z0-9_]|$)'
output_allowed='^(src/[^/]*|bench/.*|(src|include/harmofl)/app/.*|(src|include/harmofl)/base/log[^/]*)$'

# shellcheck source=tools/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [[ "${1:-}" == -h || "${1:-}" == --help ]]; then
  print_help "$0"
  exit 0
fi
cd "${1:-$HARMOFL_ROOT}"

files=()
for folder in include src tools bench; do
  if [[ -d "$folder" ]]; then
    while IFS= read -r -d '' file; do
      files+=("$file")
    done < <(find "$folder" -type f \( -name '*.hpp' -o -name '*.cpp' -o -name '*.cu' \) -print0 | sort -z)
  fi
done
[[ ${#files[@]} -gt 0 ]] || fail "no sources under $PWD"

# Plain POSIX awk, one pass over all files.
if awk -v layer_rules="$layer_rules" -v room_rules="$room_rules" -v header_rules="$header_rules" \
  -v output_pattern="$output_pattern" -v output_allowed="$output_allowed" '
  function refuse(reason) {
    printf "%s:%d: %s\n", FILENAME, FNR, reason
    violations++
  }

  # The layer of a source file; "" where there is none (tools, files right in bench, and bench/kernels,
  # which times kernels of several layers).
  function layer_of(path,    parts, n) {
    n = split(path, parts, "/")
    if (parts[1] == "include") return n >= 4 ? parts[3] : "?"
    if (parts[1] == "src") return n >= 3 ? parts[2] : "app"
    if (parts[1] == "bench" && n >= 3 && parts[2] != "kernels") return parts[2]
    return ""
  }

  # "layer/room" of a path from src/; "" where there is none.
  function room_of(path,    parts) { return split(path, parts, "/") >= 3 ? parts[1] "/" parts[2] : "" }

  # The line without comments; keeps in mind whether a /* is open.
  function without_comments(line,    kept, start, end) {
    kept = ""
    while (line != "") {
      if (in_comment) {
        end = index(line, "*/")
        if (end == 0) return kept
        line = substr(line, end + 2)
        in_comment = 0
      } else if (match(line, /^"([^"\\]|\\.)*"/)) {  # a string is kept whole, // in it included
        kept = kept substr(line, 1, RLENGTH)
        line = substr(line, RLENGTH + 1)
      } else if (substr(line, 1, 2) == "//") {
        return kept
      } else if (substr(line, 1, 2) == "/*") {
        in_comment = 1
        line = substr(line, 3)
      } else {
        kept = kept substr(line, 1, 1)
        line = substr(line, 2)
      }
    }
    return kept
  }

  function check_include(name, quoted,    parts, n, target, i) {
    for (i = 1; i <= header_count; i++)
      if (name ~ header_pattern[i] && layer != header_layer[i])
        refuse("<" name "> may be included in " header_layer[i] " only")

    if (layer == "") return
    if (name ~ /(^|\/)\.\.\//) {
      refuse("\"" name "\" climbs folders; write \"<layer>/[<room>/]<file>.hpp\"")
      return
    }
    n = split(name, parts, "/")
    if (parts[1] == "harmofl") {
      if (n != 3 || !(parts[2] in known)) {
        refuse("\"" name "\" has not the form \"harmofl/<layer>/<file>.hpp\" with a known layer")
        return
      }
      target = parts[2]
    } else if (n >= 2 && parts[1] in known) {
      target = parts[1]
      if (FILENAME ~ /^include\//)
        refuse("\"" name "\" is not installed, so an installed header must not include it")
    } else {
      if (quoted && FILENAME ~ /^include\//)
        refuse("\"" name "\" is not installed, so an installed header must not include it")
      else if (quoted && FILENAME ~ /^src\// && name !~ generated && !(layer == "app" && name ~ tool_headers))
        refuse("\"" name "\" lies in no layer, or is not included by its path from src/ or include/")
      return
    }
    if (layer in known && target != layer && !((layer, target) in allowed))
      refuse("layer " layer " must not include \"" name "\" (it may include:" may[layer] ")")
    if (room in has_rule && target == layer && parts[1] != "harmofl" && room_of(name) != room &&
        !((room, room_of(name)) in room_allowed))
      refuse("room " room " must not include \"" name "\" (of this layer it may include:" room_may[room] ")")
  }

  BEGIN {
    generated = "^harmofl_build_info[.]hpp$"
    tool_headers = "^prepare/(decode|pixels)/[^/]*[.]hpp$"  # how images are read, which `harmofl predict` does too
    n = split(layer_rules, lines, "\n")
    for (i = 1; i <= n; i++) {
      count = split(lines[i], words, " ")
      if (count == 0) continue
      name = words[1]
      sub(/:$/, "", name)
      known[name] = 1
      may[name] = count == 1 ? " nothing" : ""
      for (k = 2; k <= count; k++) {
        allowed[name, words[k]] = 1
        may[name] = may[name] " " words[k]
      }
    }
    n = split(room_rules, lines, "\n")
    for (i = 1; i <= n; i++) {
      count = split(lines[i], words, " ")
      if (count == 0) continue
      name = words[1]
      sub(/:$/, "", name)
      split(name, words_of_name, "/")
      has_rule[name] = 1
      has_rooms[words_of_name[1]] = 1
      room_may[name] = count == 1 ? " no other room" : ""
      for (k = 2; k <= count; k++) {
        room_allowed[name, words_of_name[1] "/" words[k]] = 1
        room_may[name] = room_may[name] " " words[k]
      }
    }
    n = split(header_rules, lines, "\n")
    for (i = 1; i <= n; i++)
      if (split(lines[i], words, " ") == 2) {
        header_count++
        header_pattern[header_count] = words[1]
        header_layer[header_count] = words[2]
      }
  }

  FNR == 1 {
    layer = layer_of(FILENAME)
    room = FILENAME ~ /^src\// ? room_of(substr(FILENAME, 5)) : ""
    in_comment = 0
    may_print = layer == "" || FILENAME ~ output_allowed
    if (layer != "" && !(layer in known)) refuse("this file lies in no known layer")
    else if (room != "" && layer in has_rooms && !(room in has_rule))
      refuse("room " room " is not in the table of rooms")
  }

  {
    code = without_comments($0)
    if (match(code, /^[ \t]*#[ \t]*include[ \t]*["<][^">]*[">]/)) {
      sub(/^[ \t]*#[ \t]*include[ \t]*/, "", code)
      quoted = substr(code, 1, 1) == "\""
      code = substr(code, 2)
      sub(/[">].*$/, "", code)
      check_include(code, quoted)
    } else if (!may_print) {
      gsub(/"([^"\\]|\\.)*"/, "\"\"", code)
      if (code ~ output_pattern)
        refuse("only app, base/log and tools write to standard output; use the log")
    }
  }

  END { exit violations > 0 ? 1 : 0 }
' "${files[@]}"; then
  step "includes: ${#files[@]} files keep to the layers"
else
  fail "the layers are broken (tools/check-includes.sh holds the rules on top)"
fi
