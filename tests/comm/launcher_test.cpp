// SPDX-License-Identifier: Apache-2.0
#include "comm/launcher.hpp"

#include "comm/communicator.hpp"

#include <gmock/gmock.h>

#include <cstdlib>
#include <optional>
#include <string>

namespace harmofl {
namespace {

/// Sets (or, without a value, unsets) a variable of the environment for the life of the object.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    value == nullptr ? unsetenv(name) : setenv(name, value, 1);
  }
  ~ScopedVariable() { before_ ? setenv(name_, before_->c_str(), 1) : unsetenv(name_); }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

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

}  // namespace
}  // namespace harmofl
