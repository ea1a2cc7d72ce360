// SPDX-License-Identifier: Apache-2.0
// Files of NumPy itself are read in tests/end_to_end/medmnist_test.py.
#include "prepare/decode/npz.hpp"

#include "harmofl/base/error.hpp"
#include "support/errors.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <fstream>

namespace {

using namespace harmofl::prepare;
using testing::ElementsAre;
using testing::HasSubstr;

std::string problem_of(const std::string& text) {
  try {
    parse_npy_header(text);
  } catch (const std::invalid_argument& problem) {
    return problem.what();
  }
  return "none";
}

TEST(NpyHeader, is_parsed_as_numpy_writes_it) {
  const NpyHeader header =
      parse_npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (3, 28, 28), }      \n");
  EXPECT_EQ(header.kind, 'u');
  EXPECT_EQ(header.item_bytes, 1u);
  EXPECT_THAT(header.shape, ElementsAre(3, 28, 28));
  EXPECT_EQ(header.count(), 3 * 28 * 28);
  const NpyHeader labels =
      parse_npy_header("{'descr': '<i8', 'fortran_order': False, 'shape': (7,), }\n");
  EXPECT_EQ(labels.item_bytes, 8u);
  EXPECT_THAT(labels.shape, ElementsAre(7));
  EXPECT_TRUE(
      parse_npy_header("{'descr': '|i1', 'fortran_order': False, 'shape': (), }").shape.empty());
}

TEST(NpyHeader, refuses_other_forms_types_and_orders) {
  const auto with = [](const std::string& type, const std::string& order,
                       const std::string& shape) {
    return problem_of("{'descr': " + type + ", 'fortran_order': " + order + ", 'shape': " + shape +
                      ", }");
  };
  EXPECT_EQ(with("'|u1'", "False", "(1,)"), "none");
  for (const char* type : {"'<f4'", "'>i8'", "'|u2'", "'O'", "'<u3'", "''"}) {
    EXPECT_THAT(with(type, "False", "(1,)"), HasSubstr("its elements are of type")) << type;
  }
  EXPECT_THAT(with("[('a', '<u1')]", "False", "(1,)"), HasSubstr("is missing"));
  EXPECT_THAT(with("'|u1'", "True", "(1,)"), HasSubstr("Fortran"));
  for (const char* shape :
       {"(1, -1)", "(1, x)", "(,)", "(1,,2)", "(9999999999999999999999,)", "(1,1,1,1,1,1,1,1,1)"}) {
    EXPECT_THAT(with("'|u1'", "False", shape), HasSubstr("is not one")) << shape;
  }
  EXPECT_THAT(problem_of(""), HasSubstr("'{' is missing"));
  EXPECT_THAT(problem_of("{'descr': '|u1', 'fortran_order': False, 'shape': (1,), } or 1"),
              HasSubstr("goes on after its end"));
  EXPECT_THAT(problem_of("{'descr': '|u1', 'fortran_order': False, 'shape': (1,"),
              testing::Not("none"));
  const NpyHeader huge{'u', 1, {std::int64_t{1} << 40, std::int64_t{1} << 40}};
  EXPECT_FALSE(huge.count());
}

TEST(NpzFile, refuses_what_is_no_archive) {
  const harmofl::test::TempFolder folder;
  std::ofstream(folder / "a.npz") << "not a zip archive, though long enough to be one";
  EXPECT_THAT(harmofl::test::error_of([&] { NpzFile{folder / "a.npz"}; }),
              HasSubstr("a.npz: cannot be read as .npz: it is not a zip archive"));
}

}  // namespace
