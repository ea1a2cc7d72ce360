// SPDX-License-Identifier: Apache-2.0
#include "fl/run/kept_tensors.hpp"

#include "support/errors.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

using test::user_error_of;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Key;
using testing::Pair;
using testing::UnorderedElementsAre;

using Shape = std::vector<std::int64_t>;

const OptimizerOptions sgd{OptimizerKind::sgd, 0.1, 0.9, 0.0};
const OptimizerOptions plain_sgd{OptimizerKind::sgd, 0.1, 0.0, 0.0};
const OptimizerOptions adam{OptimizerKind::adam, 0.1, 0.9, 0.0};

const Model& model() {
  static const auto made = [] {
    ModelOptions options;
    options.network = {"cnn", 2, NormKind::batch};
    return std::make_unique<Model>(options, ProblemShape{Task::classification, 2, 3, 16, 16}, 0,
                                   torch::kCPU);
  }();
  return *made;
}

/// Without the steps that every client may count.
KeptShapes shapes_of(const std::string& method, const OptimizerOptions& optimizer,
                     BufferPolicy buffers = BufferPolicy::average) {
  KeptShapes shapes = client_shapes(model(), *make_algorithm(method, {}), buffers, optimizer);
  EXPECT_EQ(shapes["steps_taken"], Shape{2});
  shapes.erase("steps_taken");
  return shapes;
}

TEST(KeptTensors, of_a_client_are_the_moments_of_its_optimizer) {
  const Shape parameters{model().parameter_count()};
  EXPECT_THAT(shapes_of("fedavg", plain_sgd), IsEmpty());
  EXPECT_THAT(shapes_of("fedavg", sgd),
              UnorderedElementsAre(Pair("optimizer.momentum_buffer", parameters)));
  EXPECT_THAT(shapes_of("fedavg", adam),
              UnorderedElementsAre(Pair("optimizer.exp_avg", parameters),
                                   Pair("optimizer.exp_avg_sq", parameters),
                                   Pair("optimizer.step", Shape{})));
}

TEST(KeptTensors, of_a_client_are_what_its_method_keeps) {
  const Shape parameters{model().parameter_count()}, state{model().network_count()};
  EXPECT_THAT(shapes_of("scaffold", plain_sgd),
              UnorderedElementsAre(Pair("scaffold.c", parameters)));
  EXPECT_THAT(shapes_of("feddyn", plain_sgd), UnorderedElementsAre(Pair("feddyn.h", parameters)));
  EXPECT_THAT(shapes_of("moon", plain_sgd), UnorderedElementsAre(Pair("moon.previous", state)));
  EXPECT_THAT(
      shapes_of("ditto", sgd),
      UnorderedElementsAre(Pair("ditto.personal", state), Pair("ditto.momentum_buffer", parameters),
                           Pair("optimizer.momentum_buffer", parameters)));
  EXPECT_NE(parameters, state) << "the model has buffers";
}

TEST(KeptTensors, of_a_client_are_the_tensors_of_the_model_that_stay_with_it) {
  const KeptShapes fedbn = shapes_of("fedbn", plain_sgd);
  const KeptShapes buffers = shapes_of("fedavg", plain_sgd, BufferPolicy::local);
  for (const Slot& slot : model().state().slots()) {
    const std::string name = "local." + slot.name;
    EXPECT_EQ(fedbn.contains(name), slot.normalization) << name;
    EXPECT_EQ(buffers.contains(name), slot.normalization && slot.role == Role::buffer) << name;
    if (slot.normalization) {
      EXPECT_EQ(fedbn.at(name), slot.shape);
    }
  }
  EXPECT_FALSE(buffers.empty());
}

TEST(KeptTensors, at_the_server_are_what_the_method_keeps_there) {
  const auto names = [](const std::string& method) {
    return server_shapes(model(), *make_algorithm(method, {}));
  };
  EXPECT_THAT(names("fedavg"), IsEmpty());
  EXPECT_THAT(names("fedavgm"), UnorderedElementsAre(Key("fedavgm.u")));
  for (const std::string method : {"fedadam", "fedyogi", "fedadagrad"}) {
    EXPECT_THAT(names(method), UnorderedElementsAre(Key(method + ".m"), Key(method + ".v")));
  }
}

TEST(KeptTensors, are_refused_where_one_of_a_family_is_missing) {
  const auto families =
      client_families(model(), *make_algorithm("ditto", {}), BufferPolicy::average, adam);
  ASSERT_THAT(families, testing::SizeIs(4));  // Ditto's moments, the optimiser's, steps, local
  EXPECT_THAT(families[1],
              UnorderedElementsAre(Key("optimizer.exp_avg"), Key("optimizer.exp_avg_sq"),
                                   Key("optimizer.step")));
  const NamedTensor mean{"optimizer.exp_avg", "", {1}, {1}}, step{"optimizer.step", "", {}, {1}};
  const NamedTensor square{"optimizer.exp_avg_sq", "", {1}, {1}}, other{"scaffold.c", "", {}, {1}};
  EXPECT_NO_THROW(check_whole({other}, families[1], ""));
  EXPECT_NO_THROW(check_whole({step, other, square, mean}, families[1], ""));
  EXPECT_THAT(user_error_of([&] { check_whole({step, mean}, families[1], "c.h5: /clients/a"); }),
              HasSubstr("c.h5: /clients/a: the tensor 'optimizer.exp_avg_sq' is missing beside "
                        "'optimizer.exp_avg'"));
}

TEST(KeptTensors, are_refused_where_the_method_keeps_none_or_others) {
  const KeptShapes known{{"optimizer.step", {}}, {"scaffold.c", {3}}};
  const auto error = [&](const NamedTensor& tensor) {
    return user_error_of([&] { check_kept({tensor}, known, "c.h5: /clients/a"); });
  };
  EXPECT_NO_THROW(
      check_kept({{"scaffold.c", "", {3}, {1, 2, 3}}, {"optimizer.step", "", {}, {1}}}, known, ""));
  EXPECT_THAT(error({"optimizer.step", "", {1}, {1}}),
              AllOf(HasSubstr("c.h5: /clients/a: tensor 'optimizer.step' has shape [1]"),
                    HasSubstr("needs []")));
  EXPECT_THAT(error({"scaffold.c", "", {4}, {1, 2, 3, 4}}), HasSubstr("needs [3]"));
  EXPECT_THAT(error({"feddyn.h", "", {3}, {1, 2, 3}}),
              AllOf(HasSubstr("c.h5: /clients/a: the tensor 'feddyn.h'"),
                    HasSubstr("It keeps: optimizer.step, scaffold.c")));
  EXPECT_THAT(user_error_of([&] { check_kept({{"x", "", {}, {1}}}, {}, "c.h5: /server"); }),
              HasSubstr("It keeps: nothing"));
}

}  // namespace
}  // namespace harmofl
