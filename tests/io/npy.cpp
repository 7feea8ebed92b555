#include <ssam/io/npy.hpp>

#include "fixtures.hpp"

using namespace ssam;
using namespace fixtures;

namespace {
std::string npy(const std::string& header, const std::string& data, int version = 1) {
  return "\x93NUMPY" + little(static_cast<std::uint64_t>(version), 2) + little(header.size(), version == 1 ? 2 : 4) +
         header + data;
}
HostTensor parse(std::string_view bytes) { return detail::read_npy(ByteSource::memory(bytes, "the file")); }
std::string header_of(const std::string& descr, const std::string& shape, const std::string& order = "False") {
  return "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }          \n";
}
}  // namespace

TEST_CASE("npy: arrays of every type and rank come back as they were") {
  TemporaryFolder folder;
  for (const Shape& shape : {Shape{}, Shape{6}, Shape{2, 3}, Shape{1, 2, 3}, Shape{0, 4}}) {
    const std::vector<std::int64_t> values(static_cast<std::size_t>(shape.elements()), 1);
    for (const DType dtype : {DType::f64, DType::f32, DType::f16, DType::i64, DType::i32, DType::i16, DType::i8,
                              DType::u8, DType::boolean}) {
      const HostTensor tensor = HostTensor::from(shape, values).converted(dtype);
      save_npy(folder / "a.npy", tensor);
      CHECK(load_npy(folder / "a.npy") == tensor);
      CHECK((std::filesystem::file_size(folder / "a.npy") - tensor.bytes.size()) % 64 == 0);
    }
  }
  const HostTensor brain = HostTensor::from({1}, std::vector<float>{1}).converted(DType::bf16);
  refused<MismatchError>([&] { save_npy(folder / "a.npy", brain); }, {"bfloat16", "a.npy"});
  save_npy(folder / "a.npy", HostTensor::from({3}, std::vector<float>{1, 2, 3}));
  CHECK(read(folder / "a.npy").find("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }") == 10);
}

TEST_CASE("npy: versions 1 to 3, and column-major arrays") {
  for (int version = 1; version <= 3; ++version) {
    CHECK(parse(npy(header_of("'<f4'", "(2, 3)"), floats(6), version)).to<float>()[4] == 4);
  }
  const HostTensor columns = parse(npy(header_of("'<f4'", "(2, 3)", "True"), floats(6)));
  CHECK(columns.to<float>() == std::vector<float>{0, 2, 4, 1, 3, 5});
  const HostTensor cube = parse(npy(header_of("'<f4'", "(2, 2, 2)", "True"), floats(8)));
  CHECK(cube.to<float>() == std::vector<float>{0, 4, 2, 6, 1, 5, 3, 7});
  CHECK(parse(npy(header_of("\"|u1\"", "()"), "\x07")).to<std::int64_t>() == std::vector<std::int64_t>{7});
}

TEST_CASE("npy: malformed files") {
  const auto bad = [](const std::string& bytes, std::initializer_list<const char*> parts) {
    INFO(bytes);
    refused_bytes(parse, bytes, parts);
  };
  const std::string good = npy(header_of("'<f4'", "(2, 3)"), floats(6));
  for (std::size_t size = 0; size < good.size(); ++size) bad(good.substr(0, size), {"the file"});
  bad(good + "x", {"24 bytes of data", "found 25"});
  bad("\x93NUMPX" + good.substr(6), {"not a .npy file"});
  bad(npy(header_of("'<f4'", "(2, 3)"), floats(6), 4), {"not a .npy file"});
  bad(npy(std::string(70'000, ' '), "", 2), {"header", "too long"});
  for (const char* descr : {"'>f4'", "'=f4'", "'f4'", "'<U4'", "'|O'", "'<c8'", "'<f16'", "'|V2'"}) {
    bad(npy(header_of(descr, "(6,)"), floats(6)), {"the type"});
  }
  bad(npy(header_of("[('a', '<f4')]", "(6,)"), floats(6)), {"a structured array"});
  for (const char* shape :
       {"(-1,)", "(1.5,)", "6", "(6", "(1,1,1,1,1,1,1,1,6)", "(9223372036854775808,)", "(a,)", "(6 6)"}) {
    bad(npy(header_of("'<f4'", shape), floats(6)), {"malformed .npy header", "offset"});
  }
  bad(npy(header_of("'<f4'", "(4294967296, 4294967296)"), ""), {"63 bits"});
  bad(npy(header_of("'<f4'", "(6,)", "0"), floats(6)), {"neither True nor False"});
  bad(npy("{'descr': '<f4', 'shape': (6,)}", floats(6)), {"without"});
  bad(npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,)}", floats(6)), {"a second time"});
  bad(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'x': 1}", floats(6)), {"'x'"});
  bad(npy(header_of("'<f4'", "(6,)") + "x", floats(6)), {"behind the dictionary"});
  bad(npy(header_of("'<f4", "(6,)"), floats(6)), {"malformed"});
}
