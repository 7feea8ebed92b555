#pragma once

#include <algorithm>
#include <cstring>
#include <limits>
#include <ssam/io/names.hpp>
#include <ssam/io/pickle_value.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// The objects of one pickle (protocol 2) as torch.save writes them. Not an interpreter of Python: the opcodes and
/// names that state dictionaries need, no recursion, no code of the file's choosing. What else lies beside the weights
/// (a scalar of NumPy, the arguments of a script) becomes an object without content: its type is known by name, its
/// construction is not followed.
class Pickle {
 public:
  using Kind = PickleValue::Kind;  ///< type of an object

  /// Runs the pickle at the beginning of `bytes`, which must outlive this object; `offset` is their place in `file`,
  /// for messages. Throws FormatError.
  Pickle(std::string_view bytes, std::string file, std::uint64_t offset)
      : bytes_(bytes), file_(std::move(file)), offset_(offset) {
    run();
  }

  /// What the pickle stands for: a state dictionary, or what it lies in.
  const PickleValue& root() const { return stack_.front(); }
  /// Bytes of the pickle, its STOP included.
  std::size_t size() const { return at_; }
  /// Characters of a text or name.
  std::string_view text(const PickleValue& value) const {
    return bytes_.substr(static_cast<std::size_t>(value.integer), value.index);
  }
  /// "argparse.Namespace": what `value`, an object, was made by.
  std::string object_name(const PickleValue& value) const {
    std::string name(text(value));
    std::replace(name.begin(), name.end(), '\n', '.');
    return name;
  }
  /// Elements of `value`, a tuple or list; keys and values by turns of a dictionary.
  const std::vector<PickleValue>& items(const PickleValue& value) const { return containers_[value.index]; }
  /// Storage `index`, in the order of their first use.
  const PickleStorage& storage(std::uint32_t index) const { return storages_[index]; }
  /// How many storages the pickle names.
  std::uint32_t storage_count() const { return static_cast<std::uint32_t>(storages_.size()); }
  /// The tensor that `value` is.
  const PickleTensor& tensor(const PickleValue& value) const { return tensors_[value.index]; }

  /// Whether `value` has named entries: a dictionary, ordered or not, or a TorchScript module.
  static bool is_dict(const PickleValue& value) {
    return value.kind == Kind::dict || value.kind == Kind::ordered_dict || value.kind == Kind::module;
  }

 private:
  /// SAM ViT-H with its optimiser takes about 60 thousand.
  static constexpr std::size_t max_opcodes = 5'000'000;
  static constexpr std::size_t max_global = 256;

  [[noreturn]] void fail(const std::string& found) const {
    throw FormatError(
        ErrorText{.what = "the checkpoint's pickle is not a plain state dictionary",
                  .where = at_offset(file_, offset_ + opcode_at_),
                  .found = found,
                  .advice = "save it again as safetensors, or with torch.save(model.state_dict(), path)"});
  }

  std::string_view take(std::uint64_t count) {
    if (count > bytes_.size() - at_) fail("a truncated operand (of " + std::to_string(count) + " bytes)");
    const std::string_view operand = bytes_.substr(at_, static_cast<std::size_t>(count));
    at_ += operand.size();
    return operand;
  }

  std::uint64_t number(std::size_t width) {
    std::uint64_t value = 0;
    std::memcpy(&value, take(width).data(), width);
    return value;
  }

  void push(Kind kind, std::int64_t integer = 0, std::size_t index = 0) {
    stack_.push_back({kind, static_cast<std::uint32_t>(index), integer});
  }

  std::size_t bottom() const { return marks_.empty() ? 0 : marks_.back(); }

  PickleValue& top() {
    if (stack_.size() <= bottom()) fail("a stack underflow");
    return stack_.back();
  }
  PickleValue pop() {
    const PickleValue value = top();
    stack_.pop_back();
    return value;
  }
  /// The values since the last mark, in order.
  std::vector<PickleValue> pop_mark() {
    if (marks_.empty()) fail("no mark on the stack");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleValue> values(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return values;
  }

  void push_container(Kind kind, std::vector<PickleValue> values) {
    containers_.push_back(std::move(values));
    push(kind, 0, containers_.size() - 1);
  }
  void push_tuple(std::size_t count) {
    if (stack_.size() - bottom() < count) fail("a stack underflow");
    const auto begin = stack_.end() - static_cast<std::ptrdiff_t>(count);
    std::vector<PickleValue> values(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    push_container(Kind::tuple, std::move(values));
  }

  void push_text(std::uint64_t length) {
    const std::size_t begin = at_;
    const std::string_view text = take(length);
    if (!is_utf8(text)) fail("a text that is not UTF-8");
    push(Kind::text, static_cast<std::int64_t>(begin), text.size());
  }

  void push_long(std::size_t width) {
    if (width > 8) {  // of a random number generator's state: of no use here
      take(width);
      return push(Kind::real);
    }
    std::uint64_t value = number(width);
    if (width > 0 && width < 8 && (value >> (8 * width - 1)) != 0) value |= ~std::uint64_t{0} << (8 * width);
    push(Kind::integer, static_cast<std::int64_t>(value));
  }

  /// Appends to the container on top of the stack.
  void append(const std::vector<PickleValue>& values, bool to_dict) {
    const PickleValue& target = top();
    if (is(target, Kind::object)) return;
    if (to_dict ? !is_dict(target) : target.kind != Kind::list) {
      fail(to_dict ? "items for what is no dictionary" : "elements for what is no list");
    }
    if (to_dict && values.size() % 2 != 0) fail("a key without a value");
    auto& items = containers_[target.index];
    items.insert(items.end(), values.begin(), values.end());
  }

  std::string_view line() {
    const std::size_t end = bytes_.substr(at_, max_global + 1).find('\n');
    if (end == std::string_view::npos) fail("a name that is too long or does not end");
    const std::string_view text = take(end);
    ++at_;
    return text;
  }

  /// Whether a name stands for what no checkpoint needs and attacks are made of: what starts programs or runs text as
  /// code, and names that only look like others. Nothing is ever run here; elsewhere it would be.
  static bool is_attack(std::string_view module, std::string_view name) {
    const auto plain = [](std::string_view text) {
      return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
      });
    };
    if (!plain(module) || !plain(name)) return true;
    static constexpr std::string_view modules[] = {
        "os",      "posix",   "nt",  "subprocess", "sys",      "importlib",   "runpy",
        "shutil",  "socket",  "pty", "ctypes",     "code",     "codeop",      "pickle",
        "_pickle", "marshal", "pip", "commands",   "builtins", "__builtin__", "webbrowser"};
    static constexpr std::string_view harmless[] = {"set",   "frozenset", "bytearray", "complex", "slice", "range",
                                                    "dict",  "list",      "tuple",     "int",     "float", "str",
                                                    "bytes", "bool",      "object",    "getattr", "type"};
    const std::string_view top = module.substr(0, module.find('.'));
    if (std::find(std::begin(modules), std::end(modules), top) == std::end(modules)) return false;
    const bool builtin = module == "builtins" || module == "__builtin__";
    return !builtin || std::find(std::begin(harmless), std::end(harmless), name) == std::end(harmless);
  }

  /// The exact names a state dictionary needs; everything else would be a call into code and stays a name.
  void push_global() {
    const std::size_t begin = at_;
    const std::string_view module = line();
    const std::string_view name = line();
    struct Allowed {
      std::string_view module;
      std::string_view name;
      PickleValue value;
    };
    constexpr auto type = [](DType dtype) {
      return PickleValue{Kind::storage_type, 0, static_cast<std::int64_t>(dtype)};
    };
    static constexpr Allowed allowed[] = {
        {"collections", "OrderedDict", {Kind::make_ordered_dict, 0, 0}},
        {"torch._utils", "_rebuild_tensor_v2", {Kind::make_tensor, 0, 0}},
        {"torch._utils", "_rebuild_parameter", {Kind::make_parameter, 0, 0}},
        {"torch._utils", "_rebuild_parameter_with_state", {Kind::make_parameter, 0, 0}},
        {"torch", "Size", {Kind::make_size, 0, 0}},
        {"torch", "DoubleStorage", type(DType::f64)},
        {"torch", "FloatStorage", type(DType::f32)},
        {"torch", "HalfStorage", type(DType::f16)},
        {"torch", "BFloat16Storage", type(DType::bf16)},
        {"torch", "LongStorage", type(DType::i64)},
        {"torch", "IntStorage", type(DType::i32)},
        {"torch", "ShortStorage", type(DType::i16)},
        {"torch", "CharStorage", type(DType::i8)},
        {"torch", "ByteStorage", type(DType::u8)},
        {"torch", "BoolStorage", type(DType::boolean)},
    };
    for (const Allowed& entry : allowed) {
      if (module == entry.module && name == entry.name) return stack_.push_back(entry.value);
    }
    if (is_attack(module, name)) {
      fail("the name " + shown(std::string(module) + "." + std::string(name)) +
           ", which no checkpoint needs: loaded elsewhere it could start programs");
    }
    push(Kind::object, static_cast<std::int64_t>(begin), module.size() + 1 + name.size());
  }

  bool is(const PickleValue& value, Kind kind) const { return value.kind == kind; }

  std::int64_t size_of(const PickleValue& value, const char* what) const {
    if (value.kind != Kind::integer || value.integer < 0) fail(std::string("no valid ") + what);
    return value.integer;
  }

  /// ("storage", type, key, device, elements) and, in the legacy format, a view (key, begin, elements) or None.
  void push_storage(const PickleValue& id) {
    if (!is(id, Kind::tuple)) fail("a persistent id that is no tuple");
    const auto& parts = items(id);
    if (parts.size() > 1 && is(parts[1], Kind::object)) return push_again(parts[1]);  // elements of an unknown type
    if ((parts.size() != 5 && parts.size() != 6) || !is(parts[0], Kind::text) || text(parts[0]) != "storage" ||
        !is(parts[1], Kind::storage_type) || !is(parts[2], Kind::text) || !is(parts[3], Kind::text)) {
      fail("a persistent id that is not ('storage', type, key, device, size)");
    }
    PickleStorage storage{.key = text(parts[2]),
                          .dtype = static_cast<DType>(parts[1].integer),
                          .elements = size_of(parts[4], "storage size"),
                          .view_begin = 0,
                          .view_elements = 0};
    storage.view_elements = storage.elements;
    if (parts.size() == 6 && !is(parts[5], Kind::none)) {
      if (!is(parts[5], Kind::tuple) || items(parts[5]).size() != 3) fail("a malformed storage view");
      const auto& view = items(parts[5]);
      storage.view_begin = size_of(view[1], "offset of a storage view");
      storage.view_elements = size_of(view[2], "size of a storage view");
      if (storage.view_begin > storage.elements || storage.view_elements > storage.elements - storage.view_begin) {
        fail("a storage view outside its storage");
      }
    }
    storages_.push_back(storage);
    push(Kind::storage, 0, storages_.size() - 1);
  }

  void push_again(PickleValue value) { stack_.push_back(value); }

  void reduce() {
    const PickleValue arguments = pop();
    const PickleValue callable = pop();
    if (!is(arguments, Kind::tuple)) fail("a call without a tuple of arguments");
    switch (callable.kind) {
      case Kind::make_ordered_dict:
        return make_ordered_dict(arguments);
      case Kind::make_size: {
        if (items(arguments).size() != 1 || !is(items(arguments)[0], Kind::tuple)) fail("a malformed torch.Size");
        return push_again(items(arguments)[0]);
      }
      case Kind::make_tensor:
        return make_tensor(arguments);
      case Kind::make_parameter: {
        const auto& parts = items(arguments);
        if (!parts.empty() && is(parts[0], Kind::object)) return push_again(parts[0]);
        if (parts.size() < 3 || parts.size() > 4 || !is(parts[0], Kind::tensor) || !is(parts[1], Kind::boolean) ||
            !is_dict(parts[2])) {
          fail("arguments that do not make a parameter");
        }
        return push_again(parts[0]);
      }
      case Kind::object:
        return push_again(callable);
      default:
        fail("a call of what cannot be called");
    }
  }

  /// OrderedDict(), or OrderedDict([[key, value], ...]) as Python 2 wrote it.
  void make_ordered_dict(const PickleValue& arguments) {
    const auto& parts = items(arguments);
    std::vector<PickleValue> pairs;
    if (parts.size() > 1 || (parts.size() == 1 && !is(parts[0], Kind::list))) fail("a malformed OrderedDict");
    if (parts.size() == 1) {
      for (const PickleValue& pair : items(parts[0])) {
        if (!(is(pair, Kind::list) || is(pair, Kind::tuple)) || items(pair).size() != 2)
          fail("a malformed OrderedDict");
        pairs.insert(pairs.end(), items(pair).begin(), items(pair).end());
      }
    }
    // One list may be named in many calls: without a limit a small file could ask for any amount of memory.
    copied_ += pairs.size();
    if (copied_ > max_opcodes) fail("too many items in all OrderedDicts");
    push_container(Kind::ordered_dict, std::move(pairs));
  }

  /// (storage, offset, size, stride, requires_grad, backward_hooks[, metadata])
  void make_tensor(const PickleValue& arguments) {
    const auto& parts = items(arguments);
    if (!parts.empty() && is(parts[0], Kind::object)) return push_again(parts[0]);
    if ((parts.size() != 6 && parts.size() != 7) || !is(parts[0], Kind::storage) || !is(parts[2], Kind::tuple) ||
        !is(parts[3], Kind::tuple) || !is(parts[4], Kind::boolean) ||
        !(is_dict(parts[5]) || is(parts[5], Kind::none))) {
      fail("arguments that do not make a tensor");
    }
    const auto& size = items(parts[2]);
    const auto& stride = items(parts[3]);
    if (size.size() != stride.size() || size.size() > Shape::max_rank) {
      fail(std::to_string(size.size()) + " extents with " + std::to_string(stride.size()) + " strides");
    }
    PickleTensor tensor{
        .storage = parts[0].index, .offset = size_of(parts[1], "storage offset"), .shape = {}, .strides = {}};
    for (std::size_t axis = 0; axis < size.size(); ++axis) {
      tensor.shape.push_back(size_of(size[axis], "extent"));
      tensor.strides[axis] = size_of(stride[axis], "stride");
    }
    tensors_.push_back(tensor);
    push(Kind::tensor, 0, tensors_.size() - 1);
  }

  void get(std::uint64_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) fail("memo entry " + std::to_string(index) + ", which was never set");
    stack_.push_back(found->second);
  }

  void run() {
    for (std::size_t count = 0;; ++count) {
      opcode_at_ = at_;
      if (at_ == bytes_.size()) fail("no STOP at the end");
      if (count == max_opcodes) fail("more than " + std::to_string(max_opcodes) + " opcodes");
      const auto opcode = static_cast<unsigned char>(bytes_[at_++]);
      if (count == 0 && opcode != 0x80) fail("no protocol number first");
      if (opcode == '.') break;
      step(opcode, count);
    }
    if (stack_.size() != 1 || !marks_.empty()) fail("a stack of " + std::to_string(stack_.size()) + " values at STOP");
  }

  void step(unsigned char opcode, std::size_t count) {
    switch (opcode) {
      case 0x80: {  // PROTO
        const std::uint64_t protocol = number(1);
        if (count != 0 || protocol != 2) fail("protocol " + std::to_string(protocol) + " (torch.save writes 2, once)");
        return;
      }
      case '(':  // MARK
        return marks_.push_back(stack_.size());
      case 'N':
        return push(Kind::none);
      case 0x88:  // NEWTRUE
        return push(Kind::boolean, 1);
      case 0x89:  // NEWFALSE
        return push(Kind::boolean, 0);
      case 'K':  // BININT1
        return push(Kind::integer, static_cast<std::int64_t>(number(1)));
      case 'M':  // BININT2
        return push(Kind::integer, static_cast<std::int64_t>(number(2)));
      case 'J':  // BININT, signed
        return push(Kind::integer, static_cast<std::int32_t>(number(4)));
      case 0x8a:  // LONG1
        return push_long(static_cast<std::size_t>(number(1)));
      case 'G':  // BINFLOAT
        take(8);
        return push(Kind::real);
      case 'X':  // BINUNICODE
        return push_text(number(4));
      case 'U':  // SHORT_BINSTRING, the texts of Python 2
        return push_text(number(1));
      case ')':  // EMPTY_TUPLE
        return push_container(Kind::tuple, {});
      case 0x85:  // TUPLE1
      case 0x86:  // TUPLE2
      case 0x87:  // TUPLE3
        return push_tuple(opcode - 0x84u);
      case 't':  // TUPLE
        return push_container(Kind::tuple, pop_mark());
      case ']':  // EMPTY_LIST
        return push_container(Kind::list, {});
      case '}':  // EMPTY_DICT
        return push_container(Kind::dict, {});
      case 'a': {  // APPEND
        const PickleValue value = pop();
        return append({value}, false);
      }
      case 'e':  // APPENDS
        return append(pop_mark(), false);
      case 's': {  // SETITEM
        const PickleValue value = pop();
        const PickleValue key = pop();
        return append({key, value}, true);
      }
      case 'u':  // SETITEMS
        return append(pop_mark(), true);
      case 'c':
        return push_global();
      case 'R':
        return reduce();
      case 0x81: {  // NEWOBJ
        pop();
        if (!is(top(), Kind::object)) fail("a new object of what is no type");
        if (!text(top()).starts_with("__torch__")) return;
        pop();
        return push_container(Kind::module, {});
      }
      case 'b': {  // BUILD: a module's attributes, or the `_metadata` of a state dictionary, which is of no use here
        const PickleValue state = pop();
        if (is(top(), Kind::object)) return;
        if (is(top(), Kind::module) && is_dict(state)) return top().index = state.index, void();
        if (!is_dict(state) || !is(top(), Kind::ordered_dict)) fail("attributes for what is no OrderedDict");
        return;
      }
      case 'Q':  // BINPERSID
        return push_storage(pop());
      case 'q':  // BINPUT
        return memo_.insert_or_assign(number(1), top()), void();
      case 'r':  // LONG_BINPUT
        return memo_.insert_or_assign(number(4), top()), void();
      case 'h':  // BINGET
        return get(number(1));
      case 'j':  // LONG_BINGET
        return get(number(4));
      default:
        fail("opcode " + std::to_string(opcode) + ", which no state dictionary needs");
    }
  }

  std::string_view bytes_;
  std::string file_;
  std::uint64_t offset_;
  std::size_t at_ = 0;
  std::size_t opcode_at_ = 0;
  std::size_t copied_ = 0;
  std::vector<PickleValue> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, PickleValue> memo_;
  std::vector<std::vector<PickleValue>> containers_;
  std::vector<PickleStorage> storages_;
  std::vector<PickleTensor> tensors_;
};

}  // namespace ssam::inline SSAM_ABI
