// SPDX-License-Identifier: Apache-2.0
#include "comm/launcher.hpp"

#include "comm/communicator.hpp"
#include "support/scoped_variable.hpp"

#include <gmock/gmock.h>

#include <list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace harmofl {
namespace {

using test::ScopedVariable;

class Launcher : public testing::Test {
 private:
  ScopedVariable mpirun_{"OMPI_COMM_WORLD_SIZE", nullptr};
  ScopedVariable pmix_{"PMIX_RANK", nullptr};
  ScopedVariable pmi_{"PMI_RANK", nullptr};
  ScopedVariable step_{"SLURM_STEP_ID", nullptr};
  ScopedVariable task_{"SLURM_PROCID", nullptr};
  ScopedVariable tasks_{"SLURM_NTASKS", nullptr};
  ScopedVariable step_tasks_{"SLURM_STEP_NUM_TASKS", nullptr};
};

TEST_F(Launcher, is_fine_without_slurm) { EXPECT_NO_THROW(check_launcher(Communicator::serial())); }

TEST_F(Launcher, is_refused_when_slurm_has_tasks_that_mpi_does_not_see) {
  const ScopedVariable tasks("SLURM_NTASKS", "4");
  try {
    check_launcher(Communicator::serial());
    FAIL() << "nothing was thrown";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("4 tasks"));
    EXPECT_THAT(error.what(), testing::HasSubstr("srun --mpi=pmix"));
  }
}

TEST_F(Launcher, is_fine_for_a_single_task) {
  const ScopedVariable tasks("SLURM_NTASKS", "1");
  EXPECT_NO_THROW(check_launcher(Communicator::serial()));
}

TEST_F(Launcher, is_fine_for_a_step_of_one_task_in_a_larger_job) {
  const ScopedVariable tasks("SLURM_NTASKS", "4");
  const ScopedVariable step("SLURM_STEP_NUM_TASKS", "1");
  EXPECT_NO_THROW(check_launcher(Communicator::serial()));
}

TEST_F(Launcher, is_fine_under_mpirun_with_one_rank) {
  const ScopedVariable tasks("SLURM_NTASKS", "4");
  const ScopedVariable mpirun("OMPI_COMM_WORLD_SIZE", "1");
  EXPECT_NO_THROW(check_launcher(Communicator::serial()));
}

/// A process that srun has started, with `tasks` tasks in its step.
class Pmi : public Launcher {
 protected:
  void in_step(const char* tasks) {
    step_.emplace("SLURM_STEP_ID", "0");
    tasks_.emplace("SLURM_STEP_NUM_TASKS", tasks);
  }

 private:
  std::optional<ScopedVariable> step_;
  std::optional<ScopedVariable> tasks_;
};

TEST_F(Pmi, is_not_missed_without_slurm) { EXPECT_NO_THROW(check_pmi()); }

TEST_F(Pmi, is_not_missed_by_the_batch_script_which_is_no_step_of_srun) {
  const ScopedVariable tasks("SLURM_NTASKS", "4");
  EXPECT_NO_THROW(check_pmi());
}

TEST_F(Pmi, is_missed_by_a_step_of_several_tasks) {
  in_step("2");
  try {
    check_pmi();
    FAIL() << "nothing was thrown";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("2 task(s)"));
    EXPECT_THAT(error.what(), testing::HasSubstr("srun --mpi=pmix"));
    EXPECT_THAT(error.what(), testing::HasSubstr("mpirun -n 1"));
  }
}

TEST_F(Pmi, is_missed_by_a_step_of_one_task_only_where_the_library_cannot_do_without) {
  in_step("1");
  if (mpi_library_version().starts_with("Open MPI v4")) {
    EXPECT_THROW(check_pmi(), UserError);
  } else {
    EXPECT_NO_THROW(check_pmi());
  }
}

TEST_F(Pmi, is_there_under_srun_with_a_pmi_and_under_mpirun) {
  in_step("2");
  for (const char* name : {"PMIX_RANK", "PMI_RANK", "OMPI_COMM_WORLD_SIZE"}) {
    const ScopedVariable rank(name, "0");
    EXPECT_NO_THROW(check_pmi()) << name;
  }
}

TEST_F(Launcher, lets_the_first_task_speak) {
  EXPECT_TRUE(is_first_task());
  const ScopedVariable first("SLURM_PROCID", "0");
  EXPECT_TRUE(is_first_task());
  const ScopedVariable second("SLURM_PROCID", "1");
  EXPECT_FALSE(is_first_task());
}

/// All variables by which launchers say a local rank, unset.
class LocalRank : public testing::Test {
 protected:
  using Variables = std::vector<std::pair<const char*, const char*>>;

  static std::optional<int> with(const Variables& variables) {
    std::list<ScopedVariable> set;
    for (const auto& [name, value] : variables) set.emplace_back(name, value);
    return launched_local_rank();
  }

 private:
  ScopedVariable open_mpi_{"OMPI_COMM_WORLD_LOCAL_RANK", nullptr};
  ScopedVariable mpich_{"MPI_LOCALRANKID", nullptr};
  ScopedVariable mvapich_{"MV2_COMM_WORLD_LOCAL_RANK", nullptr};
  ScopedVariable pals_{"PALS_LOCAL_RANKID", nullptr};
  ScopedVariable flux_{"FLUX_TASK_LOCAL_ID", nullptr};
  ScopedVariable slurm_{"SLURM_LOCALID", nullptr};
  ScopedVariable step_{"SLURM_STEP_ID", nullptr};
};

TEST_F(LocalRank, is_unknown_where_nothing_says_it) { EXPECT_EQ(with({}), std::nullopt); }

TEST_F(LocalRank, is_what_the_launcher_says) {
  for (const char* name :
       {"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "MV2_COMM_WORLD_LOCAL_RANK",
        "PALS_LOCAL_RANKID", "FLUX_TASK_LOCAL_ID"}) {
    EXPECT_EQ(with({{name, "3"}}), 3) << name;
  }
}

TEST_F(LocalRank, is_that_of_a_step_of_slurm_and_not_of_its_batch_script) {
  EXPECT_EQ(with({{"SLURM_STEP_ID", "0"}, {"SLURM_LOCALID", "2"}}), 2);
  EXPECT_EQ(with({{"SLURM_LOCALID", "0"}}), std::nullopt);
}

TEST_F(LocalRank, is_that_of_mpirun_within_a_step) {
  EXPECT_EQ(with({{"SLURM_STEP_ID", "0"}, {"SLURM_LOCALID", "0"}, {"MPI_LOCALRANKID", "1"}}), 1);
}

TEST_F(LocalRank, is_unknown_where_two_launchers_differ) {
  EXPECT_EQ(with({{"OMPI_COMM_WORLD_LOCAL_RANK", "1"}, {"MPI_LOCALRANKID", "2"}}), std::nullopt);
  EXPECT_EQ(with({{"OMPI_COMM_WORLD_LOCAL_RANK", "1"}, {"MPI_LOCALRANKID", "1"}}), 1);
}

TEST_F(LocalRank, is_unknown_where_it_is_no_number) {
  for (const char* text : {"", "x", "1x", "-1", "1.5"}) {
    EXPECT_EQ(with({{"OMPI_COMM_WORLD_LOCAL_RANK", text}}), std::nullopt) << "'" << text << "'";
  }
}

TEST(PassesOn, is_false_where_mpirun_changes_the_lines) {
  using Arguments = std::vector<std::string>;
  for (const Arguments& arguments :
       {Arguments{"mpirun", "-n", "2", "harmofl", "train"},
        {"mpirun", "--bind-to", "none", "x"},
        {"mpiexec", "-n", "2", "harmofl", "train", "--run.output", "runs/xml"},
        {"mpirun"},
        {"-"},
        {"tag-output"}}) {
    EXPECT_TRUE(passes_on(arguments)) << join(arguments);
  }
  for (const Arguments& arguments : {Arguments{"mpirun", "--tag-output", "x"},
                                     {"mpirun", "-tag-output", "x"},
                                     {"mpirun", "--timestamp-output", "x"},
                                     {"mpirun", "--output-filename", "log", "x"},
                                     {"mpirun", "--output-filename=log", "x"},
                                     {"prterun", "--output", "tag", "x"},
                                     {"mpirun", "--mca", "orte_tag_output", "1", "x"},
                                     {"mpiexec", "-l", "x"},
                                     {"mpirun", "-merge-stderr-to-stdout", "x"}}) {
    EXPECT_FALSE(passes_on(arguments)) << join(arguments);
  }
}

}  // namespace
}  // namespace harmofl
