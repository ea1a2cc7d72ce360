// SPDX-License-Identifier: Apache-2.0
#include "base/energy/nvml.hpp"

#include "support/errors.hpp"

#include <gmock/gmock.h>

#include <dlfcn.h>
#include <string>

namespace harmofl {
namespace {

using test::error_of;

constexpr const char* stand_in_library = HARMOFL_NVML_STAND_IN;
constexpr const char* stand_in_uuid = "GPU-00112233445566778899aabbccddeeff";

/// The stand-in, with its GPU as new.
class Nvml : public testing::Test {
 protected:
  void SetUp() override {
    handle_ = dlopen(stand_in_library, RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(handle_, nullptr) << dlerror();
    number<unsigned long long>("stand_in_millijoules") = 1'000'000;
    number<int>("stand_in_status") = 0;
  }
  void TearDown() override {
    EXPECT_EQ(number<int>("stand_in_started"), 0);
    dlclose(handle_);
  }

  template <class Number>
  Number& number(const char* symbol) {
    return *static_cast<Number*>(dlsym(handle_, symbol));
  }

 private:
  void* handle_ = nullptr;
};

TEST_F(Nvml, counts_joules_since_it_was_read_last) {
  NvmlEnergy energy(stand_in_uuid, stand_in_library);
  EXPECT_EQ(energy.name(), "GPU-00112233-4455-6677-8899-aabbccddeeff");
  EXPECT_DOUBLE_EQ(energy.joules(), 0.0);
  number<unsigned long long>("stand_in_millijoules") += 2'500;
  EXPECT_DOUBLE_EQ(energy.joules(), 2.5);
  EXPECT_DOUBLE_EQ(energy.joules(), 0.0);
  EXPECT_EQ(energy.read_every_s(), 0.0);
}

TEST_F(Nvml, says_it_when_the_counter_began_anew) {
  NvmlEnergy energy(stand_in_uuid, stand_in_library);
  number<unsigned long long>("stand_in_millijoules") = 5;
  EXPECT_THAT(error_of<NoEnergy>([&] { energy.joules(); }), testing::HasSubstr("driver reset"));
}

TEST_F(Nvml, says_what_the_driver_says) {
  EXPECT_THAT(error_of<NoEnergy>(
                  [] { NvmlEnergy("GPU-ff112233445566778899aabbccddeeff", stand_in_library); }),
              testing::AllOf(testing::HasSubstr("find GPU-ff112233-4455-"),
                             testing::HasSubstr("Not Found")));
  number<int>("stand_in_status") = 3;
  EXPECT_THAT(error_of<NoEnergy>([] { NvmlEnergy(stand_in_uuid, stand_in_library); }),
              testing::AllOf(testing::HasSubstr("read the energy of GPU-0011"),
                             testing::HasSubstr("Not Supported")));
}

TEST_F(Nvml, says_which_library_is_missing_or_lacks_what) {
  EXPECT_THAT(error_of<NoEnergy>([] { NvmlEnergy(stand_in_uuid, "libno-such-thing.so.1"); }),
              testing::AllOf(testing::StartsWith("libno-such-thing.so.1 cannot be loaded"),
                             testing::HasSubstr("NVIDIA's driver")));
  EXPECT_THAT(error_of<NoEnergy>([] { NvmlEnergy(stand_in_uuid, "libm.so.6"); }),
              testing::HasSubstr("libm.so.6 has no function nvmlInit_v2"));
}

TEST(DashedUuid, is_that_of_nvml) {
  EXPECT_EQ(dashed_uuid(stand_in_uuid), "GPU-00112233-4455-6677-8899-aabbccddeeff");
  EXPECT_EQ(dashed_uuid("GPU-00112233-4455-6677-8899-aabbccddeeff"),
            "GPU-00112233-4455-6677-8899-aabbccddeeff");
  EXPECT_EQ(dashed_uuid(""), "");
}

}  // namespace
}  // namespace harmofl
