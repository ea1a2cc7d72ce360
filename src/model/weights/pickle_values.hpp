// SPDX-License-Identifier: Apache-2.0
/// What a pickle is made of: its opcodes, and the values that they make.
#pragma once

#include "harmofl/base/text.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace harmofl::torch_pickle {

/// The pickle's opcodes, named as in Python's pickletools.
enum class Op : unsigned char {
  MARK = '(',
  STOP = '.',
  NONE = 'N',
  BININT = 'J',
  BININT1 = 'K',
  BININT2 = 'M',
  BINFLOAT = 'G',
  BINUNICODE = 'X',
  SHORT_BINSTRING = 'U',
  GLOBAL = 'c',
  EMPTY_TUPLE = ')',
  EMPTY_LIST = ']',
  EMPTY_DICT = '}',
  TUPLE = 't',
  APPEND = 'a',
  APPENDS = 'e',
  SETITEM = 's',
  SETITEMS = 'u',
  BINPUT = 'q',
  LONG_BINPUT = 'r',
  BINGET = 'h',
  LONG_BINGET = 'j',
  REDUCE = 'R',
  BUILD = 'b',
  BINPERSID = 'Q',
  PROTO = 0x80,
  NEWOBJ = 0x81,
  TUPLE1 = 0x85,
  TUPLE2 = 0x86,
  TUPLE3 = 0x87,
  NEWTRUE = 0x88,
  NEWFALSE = 0x89,
  LONG1 = 0x8a,
};

/// Values lie in one list and refer to one another by place: cycles and depth cost nothing, and
/// what is used again and again is not copied.
using Index = std::size_t;

struct Opaque {
  const char* what;  ///< For messages: "a float".
};
struct Global {
  std::string name;  ///< "module.name".
};
/// What a call of a Global gives that is not known here.
struct Made {
  Index by;
};
struct Sequence {  ///< A tuple or a list.
  std::vector<Index> items;
};
struct Dict {
  std::vector<std::pair<Index, Index>> items;
};
struct Storage {
  Index type;  ///< The Global "torch.FloatStorage".
  Index key;   ///< A text.
  std::int64_t count;
};
struct Tensor {
  Index storage;
  std::int64_t offset;
  Index shape, strides;  ///< Sequences.
};
using Value =
    std::variant<Opaque, std::int64_t, std::string, Global, Made, Sequence, Dict, Storage, Tensor>;

/// What a value is, for messages.
inline std::string describe(const Value& value) {
  if (const auto* opaque = std::get_if<Opaque>(&value)) return opaque->what;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return concat("the number ", *number);
  if (const auto* global = std::get_if<Global>(&value)) return global->name;
  if (std::holds_alternative<Made>(value)) return "an object that is not known";
  if (std::holds_alternative<std::string>(value)) return "a text";
  if (std::holds_alternative<Sequence>(value)) return "a list";
  if (std::holds_alternative<Dict>(value)) return "a dict";
  return std::holds_alternative<Tensor>(value) ? "a tensor" : "a storage";
}

}  // namespace harmofl::torch_pickle
