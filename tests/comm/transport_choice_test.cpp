// SPDX-License-Identifier: Apache-2.0
#include "comm/transport_choice.hpp"

#include "support/errors.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const GpuPlace first{"n1", "GPU-1", "0000:19:00.0", ""};
const GpuPlace second{"n1", "GPU-2", "0000:3B:00.0", ""};
const GpuPlace elsewhere{"n2", "GPU-3", "0000:19:00.0", ""};
const GpuPlace slice{"n1", "MIG-1", "0000:5E:00.0", ""};
const GpuPlace next_slice{"n1", "MIG-2", "0000:5E:00.0", ""};

TransportSetting on_gpus(std::vector<GpuPlace> places, bool cuda_aware = false) {
  return {.gpu = true, .has_nccl = true, .cuda_aware_mpi = cuda_aware, .places = std::move(places)};
}

/// A place whose rank NCCL takes for one of another host.
GpuPlace renamed(GpuPlace place, const std::string& host_id) {
  place.nccl_host_id = host_id;
  return place;
}

TEST(TransportChoice, names_ranks_that_share_a_gpu) {
  EXPECT_THAT(shared_gpus({first, second, elsewhere}), IsEmpty());
  EXPECT_THAT(shared_gpus({first, second, first, elsewhere, first}),
              ElementsAre("ranks 0, 2 and 4 share GPU 0000:19:00.0 of n1"));
  EXPECT_THAT(shared_gpus({first, second, second, first}),
              ElementsAre("ranks 0 and 3 share GPU 0000:19:00.0 of n1",
                          "ranks 1 and 2 share GPU 0000:3B:00.0 of n1"));
  EXPECT_THAT(shared_gpus({slice, next_slice}), IsEmpty()) << "they have what each of them has";
  EXPECT_THAT(shared_gpus({slice, next_slice, slice}),
              ElementsAre("ranks 0 and 2 share GPU 0000:5E:00.0 of n1"));
}

TEST(TransportChoice, lets_the_lowest_of_the_ranks_on_a_gpu_lead) {
  EXPECT_THAT(nccl_leaders({first, second, elsewhere}), ElementsAre(0, 1, 2));
  EXPECT_THAT(nccl_leaders({second, first, first, elsewhere, second, first}),
              ElementsAre(0, 1, 1, 3, 0, 1));
  EXPECT_THAT(nccl_leaders({first, slice, next_slice}), ElementsAre(0, 1, 1))
      << "NCCL takes slices of one GPU for it";
  EXPECT_THAT(nccl_leaders({renamed(first, "a"), renamed(first, "b"), renamed(first, "a")}),
              ElementsAre(0, 1, 0));
  EXPECT_THAT(nccl_leaders({}), IsEmpty());
}

TEST(TransportChoice, takes_mpi_for_host_memory_whatever_the_build_has) {
  for (const bool has_nccl : {false, true}) {
    const TransportSetting setting{.gpu = false, .has_nccl = has_nccl};
    for (const TransportKind kind : {TransportKind::automatic, TransportKind::mpi}) {
      EXPECT_EQ(choose_transport(kind, setting).route, TransportRoute::host);
    }
    EXPECT_THAT(test::user_error_of([&] { choose_transport(TransportKind::nccl, setting); }),
                HasSubstr("host memory"));
  }
}

TEST(TransportChoice, takes_nccl_by_itself_where_no_two_ranks_share_a_gpu) {
  for (const bool cuda_aware : {false, true}) {
    const auto choice =
        choose_transport(TransportKind::automatic, on_gpus({first, second, elsewhere}, cuda_aware));
    EXPECT_EQ(choice.route, TransportRoute::nccl);
    EXPECT_THAT(choice.reason, HasSubstr("no two ranks share a GPU"));
  }
}

TEST(TransportChoice, takes_nccl_between_gpus_that_ranks_share_and_says_how_they_sum) {
  for (const TransportKind kind : {TransportKind::automatic, TransportKind::nccl}) {
    const auto choice = choose_transport(kind, on_gpus({first, first, second, elsewhere}));
    EXPECT_EQ(choice.route, TransportRoute::nccl);
    EXPECT_THAT(choice.reason, HasSubstr("ranks 0 and 1 share GPU 0000:19:00.0 of n1"));
    EXPECT_THAT(choice.reason, HasSubstr("sum in host memory"));
  }
  const auto slices =
      choose_transport(TransportKind::automatic, on_gpus({slice, next_slice, first}));
  EXPECT_EQ(slices.route, TransportRoute::nccl);
  EXPECT_THAT(slices.reason, HasSubstr("ranks 0 and 1 share GPU 0000:5E:00.0 of n1"));
}

TEST(TransportChoice, takes_mpi_by_itself_where_all_ranks_share_one_gpu) {
  const auto staged = choose_transport(TransportKind::automatic, on_gpus({first, first}));
  EXPECT_EQ(staged.route, TransportRoute::staged);
  EXPECT_THAT(staged.reason, HasSubstr("all ranks 0 and 1 share GPU 0000:19:00.0 of n1"));
  EXPECT_THAT(staged.reason, HasSubstr("through host memory"));
  const auto direct = choose_transport(TransportKind::automatic, on_gpus({first, first}, true));
  EXPECT_EQ(direct.route, TransportRoute::cuda_aware);
  EXPECT_EQ(choose_transport(TransportKind::automatic, on_gpus({slice, next_slice})).route,
            TransportRoute::staged);
  EXPECT_EQ(choose_transport(TransportKind::nccl, on_gpus({first, first})).route,
            TransportRoute::nccl)
      << "as asked for";
}

TEST(TransportChoice, takes_mpi_by_itself_in_a_build_without_nccl) {
  const TransportSetting setting{.gpu = true, .has_nccl = false, .cuda_aware_mpi = true};
  const auto choice = choose_transport(TransportKind::automatic, setting);
  EXPECT_EQ(choice.route, TransportRoute::cuda_aware);
  EXPECT_THAT(choice.reason, HasSubstr("no NCCL"));
}

TEST(TransportChoice, takes_mpi_when_told_to_straight_from_the_gpu_if_the_library_can) {
  EXPECT_EQ(choose_transport(TransportKind::mpi, on_gpus({first, second})).route,
            TransportRoute::staged);
  EXPECT_EQ(choose_transport(TransportKind::mpi, on_gpus({first, second}, true)).route,
            TransportRoute::cuda_aware);
}

TEST(TransportChoice, takes_nccl_on_one_gpu_when_each_rank_has_a_host_id_of_its_own) {
  const auto distinct = on_gpus({renamed(first, "a"), renamed(first, "b")});
  for (const TransportKind kind : {TransportKind::automatic, TransportKind::nccl}) {
    EXPECT_EQ(choose_transport(kind, distinct).route, TransportRoute::nccl);
  }
  const auto alike = on_gpus({renamed(first, "a"), renamed(first, "a")});
  EXPECT_EQ(choose_transport(TransportKind::automatic, alike).route, TransportRoute::staged);
  const auto one_only = on_gpus({renamed(first, "a"), first, first});
  EXPECT_THAT(choose_transport(TransportKind::automatic, one_only).reason,
              HasSubstr("ranks 1 and 2 share"));
}

TEST(TransportChoice, refuses_nccl_where_the_build_lacks_it) {
  EXPECT_THAT(test::user_error_of(
                  [] { choose_transport(TransportKind::nccl, {.gpu = true, .has_nccl = false}); }),
              HasSubstr("has no NCCL"));
}

TEST(TransportChoice, names_every_route) {
  EXPECT_EQ(to_string(TransportRoute::host), "mpi");
  EXPECT_EQ(to_string(TransportRoute::staged), "mpi (staged)");
  EXPECT_EQ(to_string(TransportRoute::cuda_aware), "mpi (CUDA-aware)");
  EXPECT_EQ(to_string(TransportRoute::nccl), "nccl");
}

}  // namespace
}  // namespace harmofl
