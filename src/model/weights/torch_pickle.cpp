// SPDX-License-Identifier: Apache-2.0
#include "model/weights/torch_pickle.hpp"

#include "harmofl/base/error.hpp"
#include "io/tensor_names.hpp"
#include "model/weights/pickle_values.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace harmofl::torch_pickle {
namespace {

constexpr const char* remedy =
    "In Python, write the model with torch.save(model.state_dict(), path).";
/// A tensor takes about 25 values and 200 bytes.
constexpr std::size_t max_values = std::size_t{2} << 20;
constexpr std::size_t max_tensors = 100'000;
/// The tensors of a dict may all have the same sizes and storage, which each gets a copy of.
constexpr std::size_t max_axes = 64;
constexpr std::size_t max_key_bytes = 255;

std::optional<ElementType> element_type(const std::string& storage) {
  static const std::map<std::string, ElementType> known{
      {"torch.DoubleStorage", ElementType::float64},
      {"torch.FloatStorage", ElementType::float32},
      {"torch.HalfStorage", ElementType::float16},
      {"torch.BFloat16Storage", ElementType::bfloat16},
      {"torch.LongStorage", ElementType::int64},
      {"torch.IntStorage", ElementType::int32},
      {"torch.ShortStorage", ElementType::int16},
      {"torch.CharStorage", ElementType::int8},
      {"torch.ByteStorage", ElementType::uint8},
      {"torch.BoolStorage", ElementType::boolean},
  };
  const auto found = known.find(storage);
  return found == known.end() ? std::nullopt : std::optional(found->second);
}

/// Runs a pickle's opcodes on a stack of values.
class Machine {
 public:
  Machine(std::string_view bytes, const std::string& file) : rest_(bytes), file_(file) {
    check(bytes.size() <= max_bytes, "its pickle has ", bytes.size(), " bytes; expected at most ",
          max_bytes);
  }

  /// The object that the pickle describes.
  Index run() {
    check(read_op() == Op::PROTO && read<std::uint8_t>() == 2,
          "expected a pickle of protocol 2, which torch.save writes");
    for (Op op = read_op(); op != Op::STOP; op = read_op()) {
      const bool known = push_literal(op) || push_container(op) || fill_container(op) ||
                         use_memo(op) || make_object(op);
      check(known, "the pickle's opcode ", static_cast<int>(op),
            " does not belong to a state_dict");
    }
    return pop();
  }

  const Value& at(Index index) const { return values_[index]; }

  /// What a value is, for messages.
  std::string described(Index index) const {
    const auto* made = std::get_if<Made>(&values_[index]);
    if (made == nullptr) return describe(values_[index]);
    return concat("an object made by ", describe(values_[made->by]));
  }

  /// Throws the UserError "file: problem. Remedy." unless `good`.
  template <class... Parts>
  void check(bool good, const Parts&... problem) const {
    HARMOFL_VALIDATE(good, file_, ": ", problem..., ". ", remedy);
  }

 private:
  // Reading the bytes.
  std::string_view read_bytes(std::size_t count) {
    check(count <= rest_.size(), "the pickle ends too early");
    const std::string_view bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }
  template <class T>
  T read() {
    T value;
    std::memcpy(&value, read_bytes(sizeof(T)).data(), sizeof(T));
    return value;
  }
  Op read_op() { return static_cast<Op>(read<unsigned char>()); }
  std::string read_line() {
    const std::string line(read_bytes(std::min(rest_.find('\n'), rest_.size())));
    read_bytes(1);
    return line;
  }
  /// A whole number of up to 8 bytes, two's complement.
  Value read_long() {
    const std::string_view bytes = read_bytes(read<std::uint8_t>());
    if (bytes.size() > sizeof(std::int64_t)) return Opaque{"a number beyond 64 bits"};
    const bool negative = !bytes.empty() && (bytes.back() & 0x80) != 0;
    std::int64_t number = negative ? -1 : 0;
    std::memcpy(&number, bytes.data(), bytes.size());
    return number;
  }

  // The stack. What lies below the last mark cannot be reached.
  void push(Value value) {
    check(values_.size() < max_values, "the pickle makes more than ", max_values, " values");
    values_.push_back(std::move(value));
    stack_.push_back(values_.size() - 1);
  }
  Index top() const {
    check(stack_.size() > (marks_.empty() ? 0 : marks_.back()),
          "the pickle takes from an empty stack");
    return stack_.back();
  }
  Index pop() {
    const Index index = top();
    stack_.pop_back();
    return index;
  }
  /// The topmost `count` values, lowest first.
  std::vector<Index> pop(std::size_t count) {
    std::vector<Index> items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  }
  std::vector<Index> pop_to_mark() {
    check(!marks_.empty(), "the pickle asks for a mark that it did not set");
    std::vector<Index> items = pop(stack_.size() - marks_.back());
    marks_.pop_back();
    return items;
  }

  // The opcodes, by kind; each says whether it knows `op`.
  bool push_literal(Op op) {
    switch (op) {
      case Op::NONE:
        return push(Opaque{"None"}), true;
      case Op::NEWTRUE:
      case Op::NEWFALSE:
        return push(Opaque{"a bool"}), true;
      case Op::BINFLOAT:
        return read_bytes(8), push(Opaque{"a float"}), true;
      case Op::BININT:
        return push(std::int64_t{read<std::int32_t>()}), true;
      case Op::BININT1:
        return push(std::int64_t{read<std::uint8_t>()}), true;
      case Op::BININT2:
        return push(std::int64_t{read<std::uint16_t>()}), true;
      case Op::LONG1:
        return push(read_long()), true;
      case Op::BINUNICODE:
        return push(std::string(read_bytes(read<std::uint32_t>()))), true;
      case Op::SHORT_BINSTRING:
        return push(std::string(read_bytes(read<std::uint8_t>()))), true;
      case Op::GLOBAL: {
        const std::string module = read_line();
        return push(Global{module + "." + read_line()}), true;
      }
      default:
        return false;
    }
  }

  bool push_container(Op op) {
    switch (op) {
      case Op::MARK:
        return marks_.push_back(stack_.size()), true;
      case Op::EMPTY_TUPLE:
      case Op::EMPTY_LIST:
        return push(Sequence{}), true;
      case Op::EMPTY_DICT:
        return push(Dict{}), true;
      case Op::TUPLE:
        return push(Sequence{pop_to_mark()}), true;
      case Op::TUPLE1:
        return push(Sequence{pop(1)}), true;
      case Op::TUPLE2:
        return push(Sequence{pop(2)}), true;
      case Op::TUPLE3:
        return push(Sequence{pop(3)}), true;
      default:
        return false;
    }
  }

  bool fill_container(Op op) {
    switch (op) {
      case Op::APPEND:
        return append(pop(1)), true;
      case Op::APPENDS:
        return append(pop_to_mark()), true;
      case Op::SETITEM:
        return set_items(pop(2)), true;
      case Op::SETITEMS:
        return set_items(pop_to_mark()), true;
      default:
        return false;
    }
  }
  void append(const std::vector<Index>& items) {
    auto* list = std::get_if<Sequence>(&values_[top()]);
    check(list != nullptr, "the pickle appends to what is not a list");
    list->items.insert(list->items.end(), items.begin(), items.end());
  }
  void set_items(const std::vector<Index>& items) {
    auto* dict = std::get_if<Dict>(&values_[top()]);
    check(dict != nullptr && items.size() % 2 == 0, "the pickle sets items of what is not a dict");
    for (std::size_t i = 0; i < items.size(); i += 2) {
      dict->items.emplace_back(items[i], items[i + 1]);
    }
  }

  bool use_memo(Op op) {
    switch (op) {
      case Op::BINPUT:
        return memo_[read<std::uint8_t>()] = top(), true;
      case Op::LONG_BINPUT:
        return memo_[read<std::uint32_t>()] = top(), true;
      case Op::BINGET:
        return recall(read<std::uint8_t>()), true;
      case Op::LONG_BINGET:
        return recall(read<std::uint32_t>()), true;
      default:
        return false;
    }
  }
  void recall(std::uint32_t key) {
    const auto found = memo_.find(key);
    check(found != memo_.end(), "the pickle recalls the value ", key, ", which it did not store");
    stack_.push_back(found->second);
  }

  bool make_object(Op op) {
    switch (op) {
      case Op::NEWOBJ:
      case Op::REDUCE: {
        const std::vector<Index> call = pop(2);
        return reduce(call[0], call[1]), true;
      }
      case Op::BUILD:  // sets attributes, like the _metadata of a state_dict: no tensor of it
        return static_cast<void>(pop()), static_cast<void>(top()), true;
      case Op::BINPERSID:
        return push(storage(pop())), true;
      default:
        return false;
    }
  }

  /// What calling `function` with the tuple at `arguments` would give.
  void reduce(Index function, Index arguments) {
    const auto* global = std::get_if<Global>(&values_[function]);
    const auto* tuple = std::get_if<Sequence>(&values_[arguments]);
    check(global != nullptr && tuple != nullptr, "the pickle calls what is not a function");
    const std::vector<Index>& items = tuple->items;
    const std::string& name = global->name;
    if (name == "collections.OrderedDict" && items.empty()) {
      push(Dict{});
    } else if ((name == "torch._utils._rebuild_parameter" ||
                name == "torch.jit._pickle.restore_type_tag") &&
               !items.empty()) {
      stack_.push_back(items[0]);  // the tensor, or the dict of torch::pickle_save
    } else if (name == "torch._utils._rebuild_tensor_v2" && items.size() >= 4) {
      push(tensor(items));
    } else {
      push(Made{function});
    }
  }

  /// ("storage", type, key, device, number of elements); the device does not matter.
  Value storage(Index id) const {
    const auto* tuple = std::get_if<Sequence>(&values_[id]);
    const bool whole = tuple != nullptr && tuple->items.size() == 5;
    const auto* type = whole ? std::get_if<Global>(&values_[tuple->items[1]]) : nullptr;
    const auto* key = whole ? std::get_if<std::string>(&values_[tuple->items[2]]) : nullptr;
    const auto* count = whole ? std::get_if<std::int64_t>(&values_[tuple->items[4]]) : nullptr;
    check(type != nullptr && key != nullptr && count != nullptr && key->size() <= max_key_bytes &&
              type->name.size() <= max_key_bytes,
          "the pickle refers to a storage in an unknown way");
    return Storage{tuple->items[1], tuple->items[2], *count};
  }

  /// (storage, offset, shape, strides, requires_grad, hooks).
  Value tensor(const std::vector<Index>& items) const {
    const auto* offset = std::get_if<std::int64_t>(&values_[items[1]]);
    check(std::holds_alternative<Storage>(values_[items[0]]) && offset != nullptr,
          "the pickle makes a tensor in an unknown way");
    return Tensor{items[0], *offset, items[2], items[3]};
  }

  std::string_view rest_;
  const std::string& file_;
  std::deque<Value> values_;  // references stay valid as it grows
  std::vector<Index> stack_;
  std::vector<std::size_t> marks_;
  std::map<std::uint32_t, Index> memo_;
};

/// The sizes of a tensor, or its strides.
std::vector<std::int64_t> numbers(const Machine& machine, Index sizes) {
  const auto* tuple = std::get_if<Sequence>(&machine.at(sizes));
  machine.check(tuple != nullptr, "expected the sizes of a tensor, found ",
                machine.described(sizes));
  machine.check(tuple->items.size() <= max_axes, "a tensor has ", tuple->items.size(),
                " sizes; expected at most ", max_axes);
  std::vector<std::int64_t> found;
  for (const Index item : tuple->items) {
    const auto* number = std::get_if<std::int64_t>(&machine.at(item));
    machine.check(number != nullptr, "expected a size of a tensor, found ",
                  machine.described(item));
    found.push_back(*number);
  }
  return found;
}

StoredTensor stored_tensor(const Machine& machine, const std::string& name, Index value) {
  const auto* tensor = std::get_if<Tensor>(&machine.at(value));
  machine.check(tensor != nullptr, "'", name, "' is ", machine.described(value),
                ", and no dense tensor");
  const auto& storage = std::get<Storage>(machine.at(tensor->storage));
  const std::string& type_name = std::get<Global>(machine.at(storage.type)).name;
  const auto type = element_type(type_name);
  machine.check(type.has_value(), "tensor '", name, "': elements of ", type_name,
                " cannot be read; convert it to float32 first");
  StoredTensor stored{name,
                      *type,
                      std::get<std::string>(machine.at(storage.key)),
                      storage.count,
                      tensor->offset,
                      numbers(machine, tensor->shape),
                      numbers(machine, tensor->strides)};
  machine.check(stored.shape.size() == stored.strides.size(), "tensor '", name, "' has ",
                stored.shape.size(), " sizes, but ", stored.strides.size(), " strides");
  return stored;
}

}  // namespace

std::vector<StoredTensor> read_state_dict(std::string_view pickle, const std::string& file) {
  Machine machine(pickle, file);
  const Index object = machine.run();
  const auto* dict = std::get_if<Dict>(&machine.at(object));
  machine.check(dict != nullptr, "expected a dict of tensors, found ", machine.described(object));
  machine.check(dict->items.size() <= max_tensors, "the dict has ", dict->items.size(),
                " tensors; expected at most ", max_tensors);
  std::vector<StoredTensor> tensors;
  std::set<std::string> names;
  for (const auto& [key, value] : dict->items) {
    const auto* name = std::get_if<std::string>(&machine.at(key));
    machine.check(name != nullptr, "expected names of tensors, found ", machine.described(key));
    const std::string problem = tensor_name_problem(*name);
    machine.check(problem.empty(), "the name of a tensor ", problem);
    machine.check(names.insert(*name).second, "it has '", *name, "' twice");
    tensors.push_back(stored_tensor(machine, *name, value));
  }
  return tensors;
}

}  // namespace harmofl::torch_pickle
